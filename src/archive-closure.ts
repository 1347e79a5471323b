import type { KeptApproval } from './archive.ts';
import { type Capture, captureClosure } from './capture.ts';
import type { Closure } from './catalog/closure.ts';
import type { Table } from './gate.ts';
import type { Options } from './options.ts';
import { readPrerequisites } from './prerequisites.ts';
import { type KeptRows, keepRows } from './rows.ts';
import type { Session } from './session.ts';
import { newEntry, writeEntry } from './write-entry.ts';

/** A closure in the archive: the number of its entry, and what was captured and kept. */
export interface Archived {
  readonly entry: number;
  /** Seals the entry. */
  readonly digest: string;
  readonly capture: Omit<Capture, 'rows'> & { readonly rows: readonly KeptRows[] };
}

/** What is known of a drop beside the tables. */
interface Known {
  /** The table in which Knex records it, qualified and quoted, where that is known. */
  readonly ledger: string | null;
  readonly approvals: readonly KeptApproval[];
  readonly backup: number | null;
}

/**
 * Captures a closure and writes it into the archive, its rows included where the options say so.
 *
 * @throws UndropError `not-reproducible`, `insufficient-privilege`
 */
export async function archiveClosure(
  session: Session,
  tables: readonly Table[],
  closure: Closure,
  options: Options,
  { ledger, approvals, backup }: Known,
): Promise<Archived> {
  const entry = await newEntry(session);
  const [captured, prerequisites] = await session.together([
    captureClosure(session, closure, options.rows === 'archive' ? entry : undefined),
    readPrerequisites(session, closure),
  ]);
  const capture = { ...captured, rows: await keepRows(session, captured.rows) };
  const oids = Object.fromEntries(relationsOf(closure).map(({ identity, objid }) => [identity, objid]));
  const circumstances = { prerequisites, hosts: closure.hosts, ledger, oids, approvals, backup };
  const digest = await writeEntry(session, entry, tables, capture, circumstances, options);
  return { entry, digest, capture };
}

function relationsOf({ members }: Closure): Closure['members'] {
  return members.filter(
    ({ catalog, objsubid, kind, schema }) =>
      catalog === 'pg_class' && objsubid === 0 && kind !== 'index' && schema !== 'pg_toast',
  );
}
