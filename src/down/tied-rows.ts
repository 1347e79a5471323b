import type { KeptRows } from '../archive/kept-rows.ts';
import type { Difference } from '../capture/compare.ts';
import type { Fact } from '../catalog/facts/facts.ts';
import { sqlState } from '../errors.ts';
import { quoteName } from '../options/table-name.ts';
import type { Session } from '../session/session.ts';
import type { Replaced } from './replaced-tables.ts';

/** A foreign key, or a table that is a part or a child of another one. */
interface Tie {
  /** `table public.children` */
  readonly from: string;
  readonly to: string;
  /** Of a foreign key, those of the one and of the other. */
  readonly columns: { readonly from: readonly string[]; readonly to: readonly string[] } | null;
}

/**
 * What restored rows are tied to now, or are tied by, that has only the name of what they were tied to: a referenced table
 * or column, a parent, a table that refers to them. Where there are no such rows, nothing is said of it.
 *
 * @param archived of an entry whose tables are there again
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
    const words = `another one, and is tied to rows of ${[...tied].join(', ')}`;
    differences.push({ ...difference, after: `${difference.after}, ${words}` });
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

/** The tables with rows that came back, in themselves or in their parts and children. */
function findFilled(ties: readonly Tie[], rows: readonly KeptRows[]): ReadonlySet<string> {
  const filled = new Set(rows.filter(({ count }) => count !== '0').map(({ table }) => `table ${table}`));
  for (let size = -1; size !== filled.size; ) {
    size = filled.size;
    for (const { from, to, columns } of ties) if (columns === null && filled.has(from)) filled.add(to);
  }
  return filled;
}

/** Whether any row of a table has a key, none of it null, and so refers to a row. */
async function hasKeys(session: Session, table: string, columns: readonly string[]): Promise<boolean> {
  const isKey = columns.map((column) => `t.${quoteName(column)} is not null`).join(' and ');
  try {
    const rows = await session.attempt(() =>
      session.read(`select from only ${table.replace(/^table /, '')} as t where ${isKey} limit 1`),
    );
    return rows.length > 0;
  } catch (error) {
    // Where the role may not see the rows, there may be some.
    if (sqlState(error) === '42501') return true;
    throw error;
  }
}
