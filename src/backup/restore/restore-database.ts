import type { Client } from 'pg';
import { inArchive } from '../../catalog/archive-schemas.ts';
import { sqlState, UndropError } from '../../errors.ts';
import type { Target } from '../../knex/target.ts';
import { quoteName } from '../../options/table-name.ts';
import { readRows } from '../../session/read-rows.ts';
import { inSession } from '../../session/session.ts';
import { say } from '../../text/log.ts';
import { stamp } from '../../text/units.ts';
import { unlessAborted } from '../../text/unless-aborted.ts';
import { type OpenedBackup, openBackup } from '../open-backup.ts';
import { compareWithManifest } from './compare-manifest.ts';
import { restoreInto } from './restore-into.ts';
import { createDatabase, dropDatabase, on, withClient, withKnex } from './scratch.ts';

export interface RestoredDatabase {
  readonly restored: string;
  /** The new name of the previous database if it was replaced; otherwise null. */
  readonly before: string | null;
  readonly tables: number;
  /** The differences from the manifest in a database with all tables and rows. */
  readonly differences: readonly string[];
}

/**
 * Restores a whole backup into a new database on the same server and compares it with the manifest. Drops the new database
 * if that fails.
 *
 * @param signal stops the restore
 * @throws UndropError `bad-options`, `backup-unproved`, `name-taken`, `insufficient-privilege`, `prerequisite-gone`
 */
export async function restoreDatabase(
  target: Target,
  path: string,
  name: string,
  signal?: AbortSignal,
): Promise<RestoredDatabase> {
  refuseEmbedded(target);
  const backup = await openBackup(path);
  return withClient(target, async (client) => ({
    restored: name,
    before: null,
    ...(await createAndRestore(client, target, backup, name, signal)),
  }));
}

/**
 * Replaces the live database by a restored backup. The live database is renamed to `…_before_<time>`. The backup is
 * restored and compared under another name first, so that the live database is unavailable only while both are renamed.
 *
 * @param name the full name of the live database, as a confirmation
 * @throws UndropError as `restoreDatabase`, and `in-use` while other sessions are connected
 */
export async function replaceDatabase(
  target: Target,
  path: string,
  name: string,
  signal?: AbortSignal,
): Promise<RestoredDatabase> {
  refuseEmbedded(target);
  if (name !== target.settings.database) throw notConfirmed(target, name);
  const backup = await openBackup(path);
  // A database cannot be renamed while a session is connected to it, so this session connects to another one.
  const elsewhere = on(target, name === 'postgres' ? 'template1' : 'postgres');
  return withClient(elsewhere, async (client) => {
    await refuseOthers(client, name);
    const now = stamp(new Date());
    const [aside, before] = [`${name}_restored_${now}`, `${name}_before_${now}`];
    const made = await createAndRestore(client, target, backup, aside, signal);
    await copySettings(client, name, aside);
    try {
      await refuseOthers(client, name);
      await swap(client, { live: name, aside, before });
    } catch (error) {
      say(`The restored database was kept as ${aside}.`);
      throw error;
    }
    return { restored: name, before, ...made };
  });
}

async function createAndRestore(
  client: Client,
  target: Target,
  { file, manifest }: OpenedBackup,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Pick<RestoredDatabase, 'tables' | 'differences'>> {
  await createDatabase(client, name, manifest.database);
  try {
    const restored = restoreInto(file, manifest, on(target, name), { signal }).then(() =>
      withKnex(on(target, name), (knex) =>
        inSession(knex, (session) => compareWithManifest(session, manifest), { onlyReads: true }),
      ),
    );
    const differences = await unlessAborted(signal, restored);
    const { length } = manifest.tables.filter(({ schema }) => !inArchive(schema));
    return { tables: length, differences };
  } catch (error) {
    await dropDatabase(client, name);
    throw error;
  }
}

// The settings of ALTER DATABASE, GRANT and COMMENT on the live database, which a dump does not contain.
const settingsSql = /* sql */ `
  with live as (select d.* from pg_catalog.pg_database as d where d.datname = $1),
  statements (step, sql) as (
    select 1, pg_catalog.format('alter %s set %s to %s',
      case when s.setrole = 0 then pg_catalog.format('database %I', $2::text)
        else pg_catalog.format('role %I in database %I', pg_catalog.pg_get_userbyid(s.setrole), $2::text) end,
      pg_catalog.quote_ident(v.name), case when v.name = any ($3) then v.value else pg_catalog.quote_literal(v.value) end)
    from live as d
    join pg_catalog.pg_db_role_setting as s on s.setdatabase = d.oid
    cross join lateral pg_catalog.unnest(s.setconfig) as c (item)
    cross join lateral (
      select pg_catalog.split_part(c.item, '=', 1), pg_catalog.substr(c.item, pg_catalog.strpos(c.item, '=') + 1)
    ) as v (name, value)
    union all
    select 2, pg_catalog.format('revoke all on database %I from public', $2::text)
    from live as d where d.datacl is not null
    union all
    select 3, pg_catalog.format('grant %s on database %I to %s%s', a.privilege_type, $2::text,
      case when a.grantee = 0 then 'public' else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) end,
      case when a.is_grantable then ' with grant option' else '' end)
    from live as d
    cross join lateral pg_catalog.aclexplode(d.datacl) as a
    union all
    select 4, pg_catalog.format('comment on database %I is %L', $2::text,
      pg_catalog.shobj_description(d.oid, 'pg_database'))
    from live as d
    union all
    select 5, pg_catalog.format('alter database %I connection limit %s', $2::text, d.datconnlimit)
    from live as d where d.datconnlimit >= 0
    union all
    select 6, pg_catalog.format('alter database %I owner to %I', $2::text, pg_catalog.pg_get_userbyid(d.datdba))
    from live as d
  )
  select s.sql from statements as s order by s.step, s.sql`;

// The values of these settings are lists whose items are already quoted (see variable_is_guc_list_quote in pg_dump).
const lists = ['local_preload_libraries', 'search_path', 'session_preload_libraries', 'temp_tablespaces'];

async function copySettings(client: Client, from: string, to: string): Promise<void> {
  const rows = await readRows<{ sql: string }>(client, settingsSql, [from, to, lists]);
  for (const { sql } of rows) await client.query(sql);
}

async function swap(
  client: Client,
  { live, aside, before }: { live: string; aside: string; before: string },
): Promise<void> {
  await client.query('begin');
  try {
    await client.query(`alter database ${quoteName(live)} rename to ${quoteName(before)}`);
    await client.query(`alter database ${quoteName(aside)} rename to ${quoteName(live)}`);
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw sqlState(error) === '55006' ? inUse(live, (error as Error).message) : error;
  }
}

async function refuseOthers(client: Client, name: string): Promise<void> {
  const rows = await readRows<{ line: string }>(
    client,
    /* sql */ `
    select pg_catalog.format('pid %s (%s%s)', a.pid, coalesce(a.usename, '?'),
      case when a.application_name <> '' then ', ' || a.application_name else '' end) as line
    from pg_catalog.pg_stat_activity as a
    where a.datname = $1 and a.backend_type = 'client backend'
    order by a.pid`,
    [name],
  );
  if (rows.length > 0) throw inUse(name, rows.map(({ line }) => line).join('\n'));
}

function inUse(name: string, reason: string): UndropError {
  return new UndropError('in-use', {
    subject: name,
    message: `${name} cannot be replaced while other sessions are connected to it.`,
    reason,
    next: 'Stop the applications, terminate these sessions with pg_terminate_backend(pid), and retry.',
  });
}

function notConfirmed({ settings: { database } }: Target, name: string): UndropError {
  return new UndropError('bad-options', {
    subject: '--replace',
    message: `--replace names ${name}, but the connection is to ${database}.`,
    reason: 'To replace the live database, its full name is required as a confirmation.',
    next: `Use --replace ${database}, or restore into a new database with --into.`,
  });
}

/**
 * Refuses the embedded server, which has a single database.
 *
 * @throws UndropError `bad-options`
 */
export function refuseEmbedded({ embedded }: Target): void {
  if (embedded === undefined) return;
  throw new UndropError('bad-options', {
    subject: '--from-backup',
    message: 'A backup cannot be restored on the embedded server.',
    reason: 'The embedded server has a single database, so no other database can be created.',
    next: 'Set DATABASE_URL to a PostgreSQL server, or restore from the archive with restore --migration.',
  });
}
