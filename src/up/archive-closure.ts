import type { KeptApproval } from '../archive/entry.ts';
import { type KeptRows, keepRows } from '../archive/kept-rows.ts';
import { newEntry, writeEntry } from '../archive/write-entry.ts';
import { type Capture, captureClosure } from '../capture/capture.ts';
import { readPrerequisites } from '../capture/prerequisites.ts';
import type { Closure } from '../catalog/closure.ts';
import type { Locked } from '../locks/lock-closure.ts';
import type { Options } from '../options/options.ts';
import type { Table } from '../options/table.ts';
import type { Session } from '../session/session.ts';

/** A closure in the archive: the number of its entry, and what was captured and kept. */
export interface Archived {
  readonly entry: number;
  /** Seals the entry. */
  readonly digest: string;
  /** As it was captured. */
  readonly closure: Closure;
  readonly capture: Omit<Capture, 'rows'> & { readonly rows: readonly KeptRows[] };
}

/** What is known of a drop beside the tables. */
export interface Known {
  /** The table in which Knex records it, qualified and quoted, where that is known. */
  readonly ledger: string | null;
  readonly backup: number | null;
}

/** What allows the drop of a closure: throws, or gives the approvals. */
export type Judge = (closure: Closure) => Promise<readonly KeptApproval[]>;

/**
 * Captures a closure and writes it into the archive, its rows included where the options say so.
 *
 * @throws UndropError `not-reproducible`, `insufficient-privilege`; what the judge throws
 */
export async function archiveClosure(
  session: Session,
  tables: readonly Table[],
  locked: Locked,
  options: Options,
  judge: Judge,
  { ledger, backup }: Known,
): Promise<Archived> {
  const entry = await newEntry(session);
  const capture = async (closure: Closure) => {
    const approvals = await judge(closure);
    const [captured, prerequisites] = await session.together([
      captureClosure(session, closure, options.rows === 'copy' ? entry : undefined),
      readPrerequisites(session, closure),
    ]);
    const oids = Object.fromEntries(relationsOf(closure).map(({ identity, objid }) => [identity, objid]));
    const circumstances = { prerequisites, survivors: closure.survivors, ledger, oids, approvals, backup };
    return { closure, captured, circumstances };
  };
  let now = await capture(locked.closure);
  const rows = await keepRows(session, now.captured.rows);
  // To keep rows takes long. They are locked; what else has been changed meanwhile is captured as it is now.
  const closure = rows.length === 0 ? locked.closure : await locked.renew();
  if (closure !== locked.closure) now = await capture(closure);
  const { captured, circumstances } = now;
  const kept = { ...captured, rows };
  const digest = await writeEntry(session, entry, tables, kept, circumstances, options);
  return { entry, digest, closure, capture: kept };
}

function relationsOf({ members }: Closure): Closure['members'] {
  return members.filter(
    ({ catalog, objsubid, kind, schema }) =>
      catalog === 'pg_class' && objsubid === 0 && kind !== 'index' && schema !== 'pg_toast',
  );
}
