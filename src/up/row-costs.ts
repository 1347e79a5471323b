import { type Closure, membersIn, readEdges } from '../catalog/closure.ts';
import { sizeSql } from '../catalog/families/rows.ts';
import { divide } from '../catalog/moved-members.ts';
import { UndropError } from '../errors.ts';
import type { Options } from '../options/options.ts';
import type { Session } from '../session/session.ts';
import { size } from '../text/units.ts';

/** What it costs to keep the rows of one table. Sizes in bytes. */
interface RowCosts {
  /** Qualified. */
  readonly table: string;
  /** The server's estimate; null before the first ANALYZE. */
  readonly rows: number | null;
  /** The table with its TOAST table. */
  readonly heap: number;
  readonly indexes: number;
}

const costsSql = /* sql */ `
  select pg_catalog.format('%I.%I', n.nspname, c.relname) as table,
    case when c.reltuples >= 0 then c.reltuples::bigint end as rows,
    pg_catalog.pg_table_size(c.oid) as heap, pg_catalog.pg_indexes_size(c.oid) as indexes
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  cross join ${sizeSql} as z
  where c.oid = any ($1) and c.relkind = 'r' and z.filled
  order by n.nspname, c.relname`;

/** The costs of a table, and the way that is advised. */
export interface AdvisedCosts extends RowCosts {
  readonly advised: 'copy' | 'move' | 'copy or move';
  readonly description: string;
}

function readRowCosts(session: Session, closure: Closure): Promise<RowCosts[]> {
  return session.read<RowCosts>(costsSql, [[...membersIn(closure, 'pg_class').keys()]]);
}

/** The costs of the tables of the closure that may contain rows, for each of the two ways to keep the rows. */
export async function adviseRows(
  session: Session,
  closure: Closure,
  { copyLimitBytes }: Options,
): Promise<AdvisedCosts[]> {
  const costs = await readRowCosts(session, closure);
  if (costs.length === 0) return [];
  const { obstacles } = await divide(session, closure, await readEdges(session, closure));
  const canMove = obstacles.length === 0;
  return costs.map((one) => {
    const advised = !canMove ? 'copy' : one.heap > smallBytes ? 'move' : 'copy or move';
    const description = describeCosts(one, canMove, copyLimitBytes ?? Number.POSITIVE_INFINITY);
    return { ...one, advised, description: `${description}; advised: ${advised}` };
  });
}

// A copy is written once, and once more with its indexes when the rehearsal restores it. Both are written to the
// write-ahead log too.
function describeCosts({ table, rows, heap, indexes }: RowCosts, canMove: boolean, limit: number): string {
  const about = rows === null ? 'not analyzed' : `about ${rows.toLocaleString('en')} rows`;
  const copy =
    heap > limit ? `copy is refused above ${size(limit)}` : `copy writes ${size(2 * heap + indexes)}`;
  const move = canMove ? 'move writes less than 1 MB' : 'it cannot be moved';
  return `${table}: ${about}, ${size(heap + indexes)}; ${copy}; ${move}`;
}

const smallBytes = 10 << 20;

/** @throws UndropError `not-empty` where the rows of the closure are too large to be copied */
export async function refuseLargeCopy(
  session: Session,
  closure: Closure,
  { name, copyLimitBytes }: Options,
): Promise<void> {
  if (copyLimitBytes === undefined) return;
  const costs = await readRowCosts(session, closure);
  const total = costs.reduce((sum, { heap }) => sum + heap, 0);
  if (total <= copyLimitBytes) return;
  throw new UndropError('not-empty', {
    subject: costs.map(({ table }) => table).join(', '),
    message: `The rows that ${name} would copy take ${size(total)}, more than ${size(copyLimitBytes)}.`,
    reason: costs.map(({ table, heap }) => `${table}: ${size(heap)}`).join('\n'),
    next: "Use rows: 'move', which moves the tables with their rows and writes almost nothing. To copy them, set UNDROP_COPY_LIMIT to a larger size, or to off.",
  });
}
