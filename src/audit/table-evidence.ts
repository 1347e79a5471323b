import type { CodeReference, CodeSearch } from './code/search.ts';
import type { Decided, Decision } from './decisions.ts';
import type { Known } from './ghost-rules.ts';
import type { Link } from './relations.ts';
import type { Counting } from './tables.ts';

/** What a table was judged by. This is what `undrop audit --json` prints under `evidence`. */
export interface TableEvidence {
  readonly rowsEstimated: boolean;
  /** With indexes, and with what is stored apart. */
  readonly bytes: number;
  readonly owner: string;
  readonly comment: string | null;
  readonly extension: string | null;
  /** Null where the server counts nothing; `since` says from when on, ISO 8601, and `on` which server. */
  readonly usage: Usage | null;
  readonly foreignKeysIn: readonly string[];
  readonly foreignKeysOut: readonly string[];
  readonly views: readonly string[];
  /** Those that PostgreSQL knows to use it, and those whose text names it. */
  readonly functions: readonly string[];
  readonly triggers: readonly string[];
  readonly policies: readonly string[];
  readonly publications: readonly string[];
  /** Whatever else refers to it: children, defaults, columns, rules. */
  readonly others: readonly string[];
  /** Null where no code was searched. */
  readonly code: readonly CodeReference[] | null;
  readonly decision: Decision | null;
}

/** What follows the name of a function that PostgreSQL does not know to need the table. */
export const inText = ', whose text names it';

export interface Usage {
  readonly rowsWritten: number | null;
  readonly indexReads: number | null;
  readonly tableReads: number | null;
  readonly lastIndexRead: string | null;
  readonly lastTableRead: string | null;
  readonly since: string;
  readonly on: string;
}

export function describeEvidence(
  { table, count, referencedBy, since }: Known,
  links: readonly Link[],
  { server }: Counting,
  search: CodeSearch | null,
  decision: Decided | undefined,
): TableEvidence {
  const of = (direction: Link['direction'], ...kinds: readonly string[]) =>
    links
      .filter((one) => one.direction === direction && kinds.includes(one.kind))
      .map(({ identity }) => identity);
  const views = ['view', 'materialized view'];
  const told = ['foreign key', 'publication', 'function', 'procedure', 'policy', ...views];
  return {
    rowsEstimated: count.estimated,
    bytes: table.totalBytes,
    owner: table.owner,
    comment: table.comment,
    extension: table.extension,
    usage:
      since === null
        ? null
        : {
            rowsWritten: table.written,
            indexReads: table.indexReads,
            tableReads: table.tableReads,
            lastIndexRead: table.lastIndexRead,
            lastTableRead: table.lastTableRead,
            since,
            on: server,
          },
    foreignKeysIn: of('in', 'foreign key'),
    foreignKeysOut: of('out', 'foreign key'),
    views: of('in', ...views),
    functions: [...of('in', 'function', 'procedure'), ...referencedBy.filter((one) => one.endsWith(inText))],
    triggers: of('out', 'trigger'),
    policies: [...of('out', 'policy'), ...of('in', 'policy')],
    publications: of('in', 'publication'),
    others: links
      .filter(({ direction, kind }) => direction === 'in' && !told.includes(kind))
      .map(({ kind, identity }) => `${kind} ${identity}`),
    code: search === null ? null : (search.references.get(table.oid) ?? []),
    decision:
      decision === undefined
        ? null
        : { decision: decision.decision, reason: decision.reason, by: decision.by, when: decision.when },
  };
}
