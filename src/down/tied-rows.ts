import type { KeptRows } from '../archive/kept-rows.ts';
import type { Difference } from '../capture/compare.ts';
import type { Fact } from '../catalog/facts/facts.ts';
import { sqlState } from '../errors.ts';
import { quoteName } from '../options/table-name.ts';
import type { Session } from '../session/session.ts';
import type { Replaced } from './replaced-tables.ts';

/** A foreign key, or a partition or child table and its parent. */
interface Tie {
  /** `table public.children` */
  readonly from: string;
  readonly to: string;
  /** The columns of a foreign key. */
  readonly columns: { readonly from: readonly string[]; readonly to: readonly string[] } | null;
}

/**
 * Finds replaced relations and columns that restored rows are tied to now, by a foreign key in either direction or by
 * inheritance, and reports each as a difference. Replaced relations without such rows are no difference.
 *
 * @param archived capture of an entry whose tables are restored
 */
export async function readTied(
  session: Session,
  replaced: readonly Replaced[],
  { facts, rows }: { readonly facts: readonly Fact[]; readonly rows: readonly KeptRows[] },
): Promise<Difference[]> {
  if (replaced.length === 0) return [];
  const ties = readTies(facts);
  const filled = findFilled(ties, rows);
  const differences: Difference[] = [];
  for (const { relation, name, ...difference } of replaced) {
    const tied = new Set<string>();
    for (const tie of ties) {
      const isTo = tie.to === relation && (name === null || tie.columns?.to.includes(name) === true);
      const isFrom = tie.from === relation && (name === null || tie.columns?.from.includes(name) === true);
      if (!isTo && !isFrom) continue;
      if (tie.columns === null ? filled.has(tie.from) : await hasKeys(session, tie.from, tie.columns.from))
        tied.add(isTo ? tie.from : tie.to);
    }
    if (tied.size === 0) continue;
    const replacement = `another object, and is tied to rows of ${[...tied].join(', ')}`;
    differences.push({ ...difference, after: `${difference.after}, ${replacement}` });
  }
  return differences;
}

function readTies(facts: readonly Fact[]): Tie[] {
  return facts.flatMap(({ catalog, columns }): Tie[] => {
    if (catalog === 'pg_inherits') {
      return [{ from: columns.inhrelid ?? '', to: columns.inhparent ?? '', columns: null }];
    }
    if (catalog !== 'pg_constraint' || columns.contype !== 'f') return [];
    const { conrelid, confrelid, conkey, confkey } = columns;
    const names = { from: JSON.parse(conkey ?? '[]'), to: JSON.parse(confkey ?? '[]') };
    return [{ from: conrelid ?? '', to: confrelid ?? '', columns: names }];
  });
}

/** The tables with restored rows, in themselves or in their partitions and children. */
function findFilled(ties: readonly Tie[], rows: readonly KeptRows[]): ReadonlySet<string> {
  const filled = new Set(rows.filter(({ count }) => count !== '0').map(({ table }) => `table ${table}`));
  for (let size = -1; size !== filled.size; ) {
    size = filled.size;
    for (const { from, to, columns } of ties) if (columns === null && filled.has(from)) filled.add(to);
  }
  return filled;
}

/** Whether any row of a table has no null in the columns of a key, and so refers to a row. */
async function hasKeys(session: Session, table: string, columns: readonly string[]): Promise<boolean> {
  const isKey = columns.map((column) => `t.${quoteName(column)} is not null`).join(' and ');
  try {
    const rows = await session.attempt(() =>
      session.read(`select from only ${table.replace(/^table /, '')} as t where ${isKey} limit 1`),
    );
    return rows.length > 0;
  } catch (error) {
    // The role may not read the rows: assume that there are some.
    if (sqlState(error) === '42501') return true;
    throw error;
  }
}
