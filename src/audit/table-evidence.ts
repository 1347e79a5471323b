import type { CodeReference } from './code/inspect.ts';
import type { CodeSearch } from './code/search.ts';
import type { Decided, Decision } from './decisions.ts';
import type { Known } from './ghost-rules.ts';
import type { Link } from './relations.ts';
import type { Counting } from './tables.ts';

/** The evidence about a table, as printed by `undrop audit --json` under `evidence`. */
export interface TableEvidence {
  readonly rowsEstimated: boolean;
  /** In bytes, with indexes and TOAST. */
  readonly bytes: number;
  readonly owner: string;
  readonly comment: string | null;
  readonly extension: string | null;
  /** Null if the server does not count reads and writes. */
  readonly usage: Usage | null;
  readonly foreignKeysIn: readonly string[];
  readonly foreignKeysOut: readonly string[];
  readonly views: readonly string[];
  /** Functions that depend on it according to the catalogs, and functions whose body names it. */
  readonly functions: readonly string[];
  readonly triggers: readonly string[];
  readonly policies: readonly string[];
  readonly publications: readonly string[];
  /** All other objects that reference it: children, defaults, columns, rules. */
  readonly others: readonly string[];
  /** Null if no code was searched. */
  readonly code: readonly CodeReference[] | null;
  readonly decision: Decision | null;
}

/** Appended to the name of a function whose body names the table without a dependency in the catalogs. */
export const inText = ', whose body names it';

export interface Usage {
  readonly rowsWritten: number | null;
  readonly indexReads: number | null;
  readonly tableReads: number | null;
  readonly lastIndexRead: string | null;
  readonly lastTableRead: string | null;
  /** When counting began, ISO 8601. */
  readonly since: string;
  /** The server that counted. */
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
      .filter((link) => link.direction === direction && kinds.includes(link.kind))
      .map(({ identity }) => identity);
  const views = ['view', 'materialized view'];
  const listed = ['foreign key', 'publication', 'function', 'procedure', 'policy', ...views];
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
    functions: [
      ...of('in', 'function', 'procedure'),
      ...referencedBy.filter((name) => name.endsWith(inText)),
    ],
    triggers: of('out', 'trigger'),
    policies: [...of('out', 'policy'), ...of('in', 'policy')],
    publications: of('in', 'publication'),
    others: links
      .filter(({ direction, kind }) => direction === 'in' && !listed.includes(kind))
      .map(({ kind, identity }) => `${kind} ${identity}`),
    code: search === null ? null : (search.references.get(table.oid) ?? []),
    decision:
      decision === undefined
        ? null
        : { decision: decision.decision, reason: decision.reason, by: decision.by, when: decision.when },
  };
}
