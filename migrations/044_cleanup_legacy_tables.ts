import { reversibleDrop } from '../src/index.ts';

export const { up, down, ready } = reversibleDrop({
  name: '044_cleanup_legacy_tables',
  tables: {
    production_runs: 'References recipe_runs, which no longer exists. Replaced by workflow_runs.',
    test_cases_history:
      'References variations, deleted Nov 24. Replaced by event sourcing in interaction_events.',
    career_analyses: 'Recipe 1122 no longer exists. Replaced by workflow-based career analysis, if needed.',
    dialogue_step_placeholders:
      'Template substitution anti-pattern. Replaced by pre-built prompts in interaction.input.',
    trigger_executions: 'No references, likely legacy. Replaced by database triggers.',
    workflow_scripts: 'Superseded by stored_scripts and script_actors.script_content.',
  },
  missing: 'skip',
  backup: 'required',
  schemaComment:
    'Migration 044 (Nov 24, 2025): Deleted 6 legacy tables (production_runs, test_cases_history, career_analyses, dialogue_step_placeholders, trigger_executions, workflow_scripts). All were empty and referenced deleted schemas or anti-patterns.',
});
