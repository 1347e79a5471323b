import { reversibleDrop } from '../src/index.ts';

export const { up, down, ready } = reversibleDrop({
  name: '045_cleanup_optional_tables',
  tables: {
    interaction_lineage: 'Nice-to-have lineage graph, never used. Can be derived from interaction_events.',
    workflow_dependencies: 'Dependencies are defined in the workflow YAML definitions.',
    organizations: 'Duplicates postings.company_name, from which it can be extracted later.',
  },
  approval: 'each-table',
  missing: 'skip',
  backup: 'required',
});
