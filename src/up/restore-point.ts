import type { WalPlace } from '../archive/write-entry.ts';
import { isVerdict } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { printable } from '../text/printable.ts';

// Some PostgreSQL services have removed or restricted these functions; then the position or the restore point is null.
const mayMarkSql = /* sql */ `
  select pg_catalog.has_function_privilege('pg_catalog.pg_create_restore_point(text)', 'execute')
    and pg_catalog.current_setting('wal_level') <> 'minimal' and not pg_catalog.pg_is_in_recovery() as may`;

/**
 * Reads the current position in the write-ahead log, and creates a restore point there where the role may. Does not
 * fail where the server rejects either. The restore point stays if the transaction is rolled back.
 */
export async function markWal(session: Session, migration: string, entry: number): Promise<WalPlace> {
  const name = restorePointName(migration, entry);
  const marked = await orUndefined(session, async () => {
    const [mayMark] = await session.read<{ may: boolean }>(mayMarkSql, []);
    if (mayMark?.may !== true) return undefined;
    const [set] = await session.read<{ lsn: string }>(setSql, [name]);
    return set?.lsn;
  });
  if (marked !== undefined) return { lsn: marked, restorePoint: name };
  const lsn = await orUndefined(
    session,
    async () => (await session.read<{ lsn: string }>(lsnSql, []))[0]?.lsn,
  );
  return { lsn: lsn ?? null, restorePoint: null };
}

const setSql = 'select pg_catalog.pg_create_restore_point($1::text)::text as lsn';
const lsnSql = 'select pg_catalog.pg_current_wal_insert_lsn()::text as lsn';

// https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-BACKUP
const mostBytes = 63;

/** `undrop 044_cleanup_legacy_tables #12`, with the migration's name cut so that the whole fits. */
export function restorePointName(migration: string, entry: number): string {
  const room = mostBytes - Buffer.byteLength(`undrop  #${entry}`);
  let name = '';
  for (const character of printable(migration)) {
    if (Buffer.byteLength(name + character) > room) break;
    name += character;
  }
  return `undrop ${name} #${entry}`;
}

/** The result of the work; undefined where the server rejects it. */
async function orUndefined<T>(session: Session, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await session.attempt(work);
  } catch (error) {
    if (!isVerdict(error)) throw error;
    return undefined;
  }
}
