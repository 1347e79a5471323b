import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientBase } from 'pg';
import { readRows } from '../session/read-rows.ts';
import { say } from '../text/log.ts';
import type { Ledger } from './migrations-table.ts';

/*
 * Knex locks its migrations table by a row, and commits that row for a rollback: a process that is killed leaves it
 * locked. Therefore every connection that migrates also holds a shared advisory lock, which the server releases when
 * the connection ends. https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
 */

/**
 * Whether only this package uses the migrations table. In other schemas, a Knex without the advisory lock may be
 * migrating.
 */
function isOurs({ schemaName }: Ledger): boolean {
  return schemaName === 'undrop';
}

const key = `pg_catalog.hashtext('undrop.ledger'), pg_catalog.hashtext($1)`;

/** Acquires the advisory lock that marks this connection as migrating, until it ends. */
export async function holdLedger(client: ClientBase, { tableName }: Ledger): Promise<void> {
  await client.query(`select pg_catalog.pg_advisory_lock_shared(${key})`, [tableName]);
}

/**
 * Releases the lock of a migrations table if no connection migrates.
 *
 * @param table the lock table, quoted
 * @param own process IDs of this program's connections, which are not returned
 * @returns the connections that may hold the lock; empty where it is free
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
  const [tried] = await readRows<{ alone: boolean }>(
    client,
    `select pg_catalog.pg_try_advisory_lock(${key}) as alone`,
    [ledger.tableName],
  );
  if (tried?.alone !== true) return readHolders(client, ledger, own);
  try {
    const freed = await client.query(`update ${table} set is_locked = 0 where is_locked = 1`);
    if (freed.rowCount)
      say('The migrations table was locked by a migration that was killed; the lock was released.');
  } finally {
    await client.query(`select pg_catalog.pg_advisory_unlock(${key})`, [ledger.tableName]);
  }
  return [];
}

/** Waits until no other connection holds the lock of the migrations table, which a rollback holds until it ends. */
export async function waitForLedger(
  client: ClientBase,
  ledger: Ledger,
  own: readonly number[],
): Promise<void> {
  const table = await findLockTable(client, ledger);
  if (table === undefined) return;
  for (let reported = ''; ; await sleep(200)) {
    const holders = await healLedger(client, ledger, table, own);
    if (holders.length === 0) return;
    const line = `Waiting for another migration: ${holders.join(', ')}`;
    if (line !== reported) say(line);
    reported = line;
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
  const rows = await readRows<{ holder: string }>(client, holdersSql, [tableName, own]);
  return rows.map(({ holder }) => holder);
}

/** The lock table, quoted. Undefined where it does not exist, or this role may not update it. */
async function findLockTable(
  client: ClientBase,
  { schemaName, tableName }: Ledger,
): Promise<string | undefined> {
  const [found] = await readRows<{ name: string }>(
    client,
    /* sql */ `
    select t.name
    from (values (pg_catalog.format('%I.%I', $1::text, $2::text))) as t (name),
      pg_catalog.to_regclass(t.name) as c (oid)
    where ${mayFreeSql('c.oid')}`,
    [schemaName, `${tableName}_lock`],
  );
  return found?.name;
}

/** SQL: whether the role may release the lock in this table. */
export function mayFreeSql(oid: string): string {
  return /* sql */ `(pg_catalog.has_table_privilege(${oid}, 'select') and pg_catalog.has_table_privilege(${oid}, 'update'))`;
}
