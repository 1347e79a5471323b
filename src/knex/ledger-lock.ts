import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientBase } from 'pg';
import { say } from '../text/log.ts';
import type { Ledger } from './migrations-table.ts';

/*
 * Knex marks its ledger as locked in a row, and commits that for a rollback: whoever is killed leaves it so for good.
 * So every connection that migrates holds an advisory lock beside it, shared, which the server takes back from the
 * dead. https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
 */

/** Of ledgers in other schemas, a Knex that knows nothing of the advisory lock may be at work. */
function isOurs({ schemaName }: Ledger): boolean {
  return schemaName === 'undrop';
}

const key = `pg_catalog.hashtext('undrop.ledger'), pg_catalog.hashtext($1)`;

/** Says that this connection migrates, for as long as it lives. */
export async function holdLedger(client: ClientBase, { tableName }: Ledger): Promise<void> {
  await client.query(`select pg_catalog.pg_advisory_lock_shared(${key})`, [tableName]);
}

/**
 * Frees the lock of a ledger whose holder has died. Gives those who may hold it and live.
 *
 * @param table that of the lock, quoted
 * @param own process IDs of connections that are this program's, and no reason to wait
 */
export async function healLedger(
  client: ClientBase,
  ledger: Ledger,
  table: string,
  own: readonly number[] = [],
): Promise<string[]> {
  if (!isOurs(ledger)) return [];
  const locked = await client.query(`select from ${table} as l where l.is_locked = 1`);
  if (locked.rowCount === 0) return [];
  const { rows } = await client.query<{ alone: boolean }>(
    `select pg_catalog.pg_try_advisory_lock(${key}) as alone`,
    [ledger.tableName],
  );
  if (rows[0]?.alone !== true) return readHolders(client, ledger, own);
  try {
    const freed = await client.query(`update ${table} set is_locked = 0 where is_locked = 1`);
    if (freed.rowCount) say('The ledger was left locked by a migration that was killed; it is free again.');
  } finally {
    await client.query(`select pg_catalog.pg_advisory_unlock(${key})`, [ledger.tableName]);
  }
  return [];
}

/** Waits until nobody holds the ledger any more, as a rollback does for all of its time. */
export async function waitForLedger(
  client: ClientBase,
  ledger: Ledger,
  own: readonly number[],
): Promise<void> {
  const table = await findLockTable(client, ledger);
  if (table === undefined) return;
  for (let said = ''; ; await sleep(200)) {
    const holders = await healLedger(client, ledger, table, own);
    if (holders.length === 0) return;
    const line = `Waiting for another migration: ${holders.join(', ')}`;
    if (line !== said) say(line);
    said = line;
  }
}

const holdersSql = /* sql */ `
  select pg_catalog.format('pid %s (%s)', l.pid, coalesce(a.usename, '?')) as holder
  from pg_catalog.pg_locks as l
  left join pg_catalog.pg_stat_activity as a on a.pid = l.pid
  where l.locktype = 'advisory' and l.granted and l.pid <> all ($2)
    and l.classid = pg_catalog.hashtext('undrop.ledger')::pg_catalog.oid
    and l.objid = pg_catalog.hashtext($1)::pg_catalog.oid and l.objsubid = 2
    and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
  order by l.pid`;

async function readHolders(
  client: ClientBase,
  { tableName }: Ledger,
  own: readonly number[],
): Promise<string[]> {
  const { rows } = await client.query<{ holder: string }>(holdersSql, [tableName, own]);
  return rows.map(({ holder }) => holder);
}

/** The table of the lock, quoted. Not where Knex has not made it yet, or where it is not for this role to free. */
async function findLockTable(
  client: ClientBase,
  { schemaName, tableName }: Ledger,
): Promise<string | undefined> {
  const { rows } = await client.query<{ name: string }>(
    /* sql */ `
    select t.name
    from (values (pg_catalog.format('%I.%I', $1::text, $2::text))) as t (name),
      pg_catalog.to_regclass(t.name) as c (oid)
    where ${mayFreeSql('c.oid')}`,
    [schemaName, `${tableName}_lock`],
  );
  return rows[0]?.name;
}

/** Whether the role may free what this table says. */
export function mayFreeSql(oid: string): string {
  return /* sql */ `(pg_catalog.has_table_privilege(${oid}, 'select') and pg_catalog.has_table_privilege(${oid}, 'update'))`;
}
