import type { WalPlace } from '../archive/write-entry.ts';
import { isVerdict } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { printable } from '../text/printable.ts';

// Other servers than PostgreSQL's own have taken these functions away, or closed them: nothing rests on them here.
const mayMarkSql = /* sql */ `
  select pg_catalog.has_function_privilege('pg_catalog.pg_create_restore_point(text)', 'execute')
    and pg_catalog.current_setting('wal_level') <> 'minimal' and not pg_catalog.pg_is_in_recovery() as may`;

/**
 * Marks the moment in the write-ahead log, with a named restore point where the role may set one, and never fails: a
 * drop does not depend on it. The mark stays, whatever becomes of the transaction.
 */
export async function markWal(session: Session, migration: string, entry: number): Promise<WalPlace> {
  const name = restorePointName(migration, entry);
  const marked = await tried(session, async () => {
    const [mayMark] = await session.read<{ may: boolean }>(mayMarkSql, []);
    if (mayMark?.may !== true) return undefined;
    const [set] = await session.read<{ lsn: string }>(setSql, [name]);
    return set?.lsn;
  });
  if (marked !== undefined) return { lsn: marked, restorePoint: name };
  const lsn = await tried(session, async () => (await session.read<{ lsn: string }>(nowSql, []))[0]?.lsn);
  return { lsn: lsn ?? null, restorePoint: null };
}

const setSql = 'select pg_catalog.pg_create_restore_point($1::text)::text as lsn';
const nowSql = 'select pg_catalog.pg_current_wal_insert_lsn()::text as lsn';

// https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-BACKUP
const mostBytes = 63;

/** `undrop 044_cleanup_legacy_tables #12`, with as much of the migration's name as there is room for. */
export function restorePointName(migration: string, entry: number): string {
  const room = mostBytes - Buffer.byteLength(`undrop  #${entry}`);
  let name = '';
  for (const character of printable(migration)) {
    if (Buffer.byteLength(name + character) > room) break;
    name += character;
  }
  return `undrop ${name} #${entry}`;
}

/** What the work gives, or undefined where the server refuses. */
async function tried<T>(session: Session, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await session.attempt(work);
  } catch (error) {
    if (!isVerdict(error)) throw error;
    return undefined;
  }
}
