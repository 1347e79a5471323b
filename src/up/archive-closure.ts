import type { KeptApproval } from '../archive/entry.ts';
import { type KeptRows, keepRows, storeOfCopy } from '../archive/kept-rows.ts';
import { type MovedSchema, planMoves, storeOfMoved } from '../archive/moved-schemas.ts';
import { amendEntry, newEntry, writeEntry } from '../archive/write-entry.ts';
import { type Capture, captureClosure } from '../capture/capture.ts';
import { readPrerequisites } from '../capture/prerequisites.ts';
import type { Closure } from '../catalog/closure.ts';
import type { Locked } from '../locks/lock-closure.ts';
import type { Options } from '../options/options.ts';
import type { Table } from '../options/table.ts';
import type { Session } from '../session/session.ts';

/** An archived closure. */
export interface Archived {
  /** The number of the entry. */
  readonly entry: number;
  /** The checksum of the capture. */
  readonly digest: string;
  readonly closure: Closure;
  readonly capture: Omit<Capture, 'rows'> & {
    readonly rows: readonly KeptRows[];
    /** Where the tables are moved to; empty where they are dropped. */
    readonly moved: readonly MovedSchema[];
    /** Whether the rows were rehearsed before the drop, and foreign keys checked. */
    readonly rowsRehearsed?: true;
    /** Where the tables can be moved to, for good or for the rehearsal of copied rows. */
    readonly places: readonly MovedSchema[];
  };
}

/** What an entry records beside its tables. */
export interface Known {
  /** The migrations table, qualified and quoted; null where it is unknown. */
  readonly ledger: string | null;
  readonly backup: number | null;
}

/** Checks whether a closure may be dropped: returns the approvals, or throws. */
export type Judge = (closure: Closure) => Promise<readonly KeptApproval[]>;

/**
 * Captures a closure and writes it into the archive, with its rows where `rows` is `copy`.
 *
 * @throws UndropError `not-reproducible`, `insufficient-privilege`; what the judge throws
 */
export async function archiveClosure(
  session: Session,
  tables: readonly Table[],
  locked: Pick<Locked, 'closure' | 'renew'>,
  options: Options,
  judge: Judge,
  { ledger, backup }: Known,
): Promise<Archived> {
  const entry = await newEntry(session);
  const capture = async (closure: Closure) => {
    const approvals = await judge(closure);
    const places = options.rows === 'refuse' ? [] : await planMoves(session, closure, entry);
    const moved = options.rows === 'move' ? places : [];
    const storeOf = (table: string, number: number) =>
      storeOfMoved(moved, table) ?? storeOfCopy(entry, number);
    const [captured, prerequisites] = await session.together([
      captureClosure(session, closure, { rows: options.rows, storeOf }),
      readPrerequisites(session, closure),
    ]);
    const oids = Object.fromEntries(relationsOf(closure).map(({ identity, objid }) => [identity, objid]));
    const circumstances = {
      prerequisites,
      survivors: closure.survivors,
      ledger,
      oids,
      approvals,
      backup,
      moved,
    };
    return { closure, captured, circumstances, places };
  };
  let latest = await capture(locked.closure);
  const rows = await keepRows(session, latest.captured.rows);
  // Copying rows takes long. The rows are locked; where another session has changed the closure meanwhile, it is
  // captured again.
  const closure = rows.length === 0 ? locked.closure : await locked.renew();
  if (closure !== locked.closure) latest = await capture(closure);
  const { captured, circumstances, places } = latest;
  const kept = { ...captured, rows };
  const digest = await writeEntry(session, entry, tables, kept, circumstances, options);
  return { entry, digest, closure, capture: { ...kept, moved: circumstances.moved, places } };
}

/** Writes the entry of a migration of which no table exists, and returns its number. */
export async function archiveNothing(session: Session, options: Options, known: Known): Promise<number> {
  const closure: Closure = { tables: [], members: [], survivors: [] };
  const locked = { closure, renew: async () => closure };
  const { entry, digest } = await archiveClosure(session, [], locked, options, async () => [], known);
  const place = { lsn: null, restorePoint: null };
  await amendEntry(session, entry, { digest, survivorChanges: [], schemaComment: undefined, place });
  return entry;
}

function relationsOf({ members }: Closure): Closure['members'] {
  return members.filter(
    ({ catalog, objsubid, kind, schema }) =>
      catalog === 'pg_class' && objsubid === 0 && kind !== 'index' && schema !== 'pg_toast',
  );
}
