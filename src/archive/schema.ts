import { UndropError } from '../errors.ts';
import { notCreated } from '../session/server-errors.ts';
import type { Session } from '../session/session.ts';
import { changeArchive } from './change-archive.ts';
import { refuseReplicated, withoutIdentity } from './foreign-archive.ts';
import { refuseForeignSchema } from './foreign-schema.ts';
import { checkKeepers } from './keepers.ts';
import { lockArchive } from './lock-archive.ts';
import { closeRelations, closeSchema } from './revoke-rights.ts';

// Each table has a primary key: without one, the server rejects updates under a FOR ALL TABLES publication. CREATE … IF
// NOT EXISTS is not used, because it needs the CREATE privilege even where the object exists.
const firstFormat = /* sql */ `
  create table undrop.identity (
    id uuid primary key default pg_catalog.gen_random_uuid(),
    format int not null
  );
  create table undrop.backups (
    id bigint generated always as identity primary key,
    finished_at timestamptz not null default pg_catalog.now(),
    taken_by text not null default current_user,
    host text not null,
    file text not null,
    format text not null,
    bytes bigint not null,
    sha256 text not null,
    proof text not null,
    pg_dump_version text not null,
    server_version text not null,
    database text not null,
    database_oid oid not null,
    system_identifier text not null,
    identity uuid not null,
    tables jsonb not null,
    objects jsonb not null
  );
  create table undrop.drops (
    id bigint generated always as identity primary key,
    migration text not null,
    tables jsonb not null,
    dropped_at timestamptz not null default pg_catalog.clock_timestamp(),
    dropped_by text not null default current_user,
    dropped_from text default pg_catalog.host(pg_catalog.inet_client_addr()),
    database text not null default pg_catalog.current_database(),
    server_version text not null,
    fingerprint text not null,
    digest text not null,
    overrides jsonb not null,
    approvals jsonb not null,
    backup_id bigint,
    prerequisites jsonb not null,
    hosts jsonb not null,
    host_changes jsonb not null default '[]',
    schema_comment jsonb,
    restored_at timestamptz,
    restored_by text
  );
  create table undrop.statements (
    drop_id bigint not null references undrop.drops on delete cascade,
    position int not null,
    kind text not null,
    identity text not null,
    sql text not null,
    primary key (drop_id, position)
  );
  create table undrop.facts (
    drop_id bigint not null references undrop.drops on delete cascade,
    position int not null,
    catalog text not null,
    identity text not null,
    columns jsonb not null,
    primary key (drop_id, position)
  );
  create table undrop.rows (
    drop_id bigint not null references undrop.drops on delete cascade,
    position int not null,
    table_name text not null,
    store text not null,
    count bigint not null,
    digest text not null,
    primary key (drop_id, position)
  );
  create table undrop.evidence (
    drop_id bigint not null references undrop.drops on delete cascade,
    table_name text not null,
    usage jsonb not null,
    primary key (drop_id, table_name)
  )`;

// An attested backup has no file. Restoring one table alone splits its entry: the tables that stay dropped are moved to
// a new entry. https://www.postgresql.org/docs/current/datatype-pg-lsn.html
const secondFormat = /* sql */ `
  alter table undrop.backups
    add column started_at timestamptz,
    add column lsn pg_catalog.pg_lsn,
    add column manifest_sha256 text,
    add column attestation text,
    alter column file drop not null,
    alter column format drop not null,
    alter column bytes drop not null,
    alter column sha256 drop not null,
    alter column pg_dump_version drop not null;
  alter table undrop.drops
    add column lsn pg_catalog.pg_lsn,
    add column restore_point text,
    add column split_into bigint references undrop.drops on delete set null`;

// The record that `verify` compares with: compressed JSON with a digest of each object. It replaces the list of their
// names.
const thirdFormat = /* sql */ `
  alter table undrop.backups drop column objects;
  create table undrop.records (
    id bigint generated always as identity primary key,
    made_at timestamptz not null default pg_catalog.clock_timestamp(),
    made_by text not null default current_user,
    command text not null,
    backup_id bigint references undrop.backups on delete cascade,
    -- the entries that were open at that time
    standing jsonb not null,
    server_version text not null,
    database text not null,
    database_oid oid not null,
    system_identifier text not null,
    identity uuid not null,
    digests bytea not null
  )`;

const acceptances = /* sql */ `
  create table undrop.acceptances (
    id bigint generated always as identity primary key,
    drop_id bigint not null references undrop.drops on delete cascade,
    command text not null,
    accepted_at timestamptz not null default pg_catalog.clock_timestamp(),
    accepted_by text not null default current_user,
    digest text not null,
    differences jsonb not null
  )`;

// One migration may run several times in a database, each time with its own migrations table, such as one for each
// tenant. The migrations table is not always known, so several open entries may lack it. OIDs are valid only in the
// database in which they were read; the OID of `undrop.drops` itself differs in a database that was restored from a
// dump. `oids` and `restored_oids` are JSON objects, from the names of the dropped relations to their OIDs before the
// drop and after the restore. Formats 1 to 3 had a unique index on the migration alone. A new archive never gets it:
// `locks/` takes the lock of a dropped relation for that of an earlier migration in the same transaction.
const entryKeys = /* sql */ `
  alter table undrop.drops
    add column ledger text,
    add column identity uuid,
    add column database_oid oid,
    add column system_identifier text,
    add column archive_oid oid,
    add column oids jsonb,
    add column restored_oids jsonb;
  drop index if exists undrop.drops_unrestored;
  create unique index drops_unrestored on undrop.drops (ledger, migration) where restored_at is null`;

const fourthFormat = `${acceptances};
${entryKeys}`;

// With `rows: 'move'`, what was moved where, and the statements that are not replayed then. An entry that was given up
// stays open, without its rows.
const fifthFormat = /* sql */ `
  alter table undrop.drops
    add column moved jsonb,
    add column keep_until timestamptz,
    add column given_up_at timestamptz,
    add column given_up_by text;
  alter table undrop.statements add column moved boolean`;

/** The statements that create the first format, and those that upgrade each format to the next. */
export const formats = [firstFormat, secondFormat, thirdFormat, fourthFormat, fifthFormat];

/**
 * SQL: what identifies this database, and none of its copies. A copy by CREATE DATABASE … TEMPLATE has the same random
 * identity, but another OID; a copy on another cluster has another system identifier, where the role may read that.
 */
export const placeSql = /* sql */ `
  select i.id as identity, d.oid as database_oid, d.datname as database,
    case when pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'execute')
      then (select c.system_identifier::text from pg_catalog.pg_control_system() as c) else '' end as system_identifier,
    'undrop.drops'::pg_catalog.regclass::oid as archive_oid
  from undrop.identity as i
  join pg_catalog.pg_database as d on d.datname = pg_catalog.current_database()`;

/** SQL: whether a row was written in this database. `p` is `placeSql`. */
export function isOwnSql(row: string): string {
  return /* sql */ `
    (${row}.identity, ${row}.database_oid) = (p.identity, p.database_oid)
      and (${row}.system_identifier = p.system_identifier or '' in (${row}.system_identifier, p.system_identifier))`;
}

/** SQL: the recorded backups, and whether each is of this database. Reads archives of every format. */
export const backupsSql = /* sql */ `
  select b.id, b.finished_at, b.taken_by, b.host, b.file, b.format, b.bytes, b.sha256, b.proof, b.tables,
    -- before the snapshot; unknown for an attested backup and for archives of the first format
    coalesce((pg_catalog.to_jsonb(b) ->> 'started_at')::timestamptz, b.finished_at) as started_at,
    pg_catalog.to_jsonb(b) ->> 'lsn' as lsn,
    pg_catalog.to_jsonb(b) ->> 'manifest_sha256' as manifest_sha256,
    pg_catalog.to_jsonb(b) ->> 'attestation' as attestation,
    ${isOwnSql('b')} as own
  from undrop.backups as b
  cross join (${placeSql}) as p`;

const stateSql = /* sql */ `
  select pg_catalog.to_regnamespace('undrop') is not null as schema,
    exists (
      select from pg_catalog.pg_attribute as a
      where a.attrelid = pg_catalog.to_regclass('undrop.identity') and a.attname = 'format') as tables,
    pg_catalog.has_database_privilege(pg_catalog.current_database(), 'create') as "mayCreate"`;

/**
 * Creates the archive where it does not exist: a schema owned by the migrating role, without privileges for other
 * roles. Upgrades an archive of an older format.
 *
 * @param waitMs how long it waits for another session that creates or upgrades the archive, or migrates
 * @throws UndropError `insufficient-privilege`; `name-taken` where the schema has another purpose; `archive-damaged` where
 * its format is newer, or other roles may write to it; `archive-foreign` where it came by logical replication;
 * `lock-timeout`
 */
export async function ensureArchive(session: Session, waitMs?: number): Promise<void> {
  await lockArchive(session, waitMs);
  const [state] = await session.read<{ schema: boolean; tables: boolean; mayCreate: boolean }>(stateSql);
  if (state?.schema === false) {
    if (!state.mayCreate) throw mayNotCreate(session);
    await session.run('create schema undrop').catch((error) => {
      throw notCreated('schema undrop', error);
    });
    await closeSchema(session, 'undrop');
  }
  if (state?.schema === true && !state.tables) await refuseForeignSchema(session);
  const [, known] = await session.together([
    checkKeepers(session),
    state?.tables === true ? checkFormat(session) : 0,
  ]);
  if (known > 0) await refuseReplicated(session);
  if (known === formats.length) return;
  const before = await readRelations(session);
  for (const sql of formats.slice(known)) await session.run(sql);
  await changeArchive(session, () =>
    session.write(
      known === 0
        ? 'insert into undrop.identity (format) values ($1)'
        : 'update undrop.identity set format = $1',
      [formats.length],
    ),
  );
  const created = (await readRelations(session)).filter((name) => !before.includes(name));
  await closeRelations(session, created);
}

const relationsSql = /* sql */ `
  select pg_catalog.format('undrop.%I', c.relname) as name
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = 'undrop' and c.relkind in ('r', 'S')
  order by c.relname`;

async function readRelations(session: Session): Promise<string[]> {
  return (await session.read<{ name: string }>(relationsSql)).map(({ name }) => name);
}

/**
 * Whether the archive exists. Does not create it.
 *
 * @throws UndropError `archive-damaged` where its format is newer; `archive-foreign` where it has no identity
 */
export async function hasArchive(session: Session): Promise<boolean> {
  const [state] = await session.read<{ tables: boolean }>(stateSql);
  if (state?.tables !== true) return false;
  await checkFormat(session);
  return true;
}

async function checkFormat(session: Session): Promise<number> {
  const [identity] = await session.read<{ format: number }>('select format from undrop.identity');
  if (identity === undefined) throw await withoutIdentity(session);
  if (identity.format <= formats.length) return identity.format;
  throw new UndropError('archive-damaged', {
    subject: 'undrop',
    message: `The archive in ${session.database} cannot be read by this version of knex-undrop.`,
    reason: `Its format is ${identity.format}, and this version supports formats up to ${formats.length}.`,
    next: 'Use the version of knex-undrop that wrote it, or a later one.',
  });
}

function mayNotCreate({ database, role }: { database: string; role: string }): UndropError {
  return new UndropError('insufficient-privilege', {
    subject: 'undrop',
    message: `The role ${role} may not create the schema undrop in ${database}.`,
    reason: 'The archive and the migrations table are kept in this schema.',
    next: `Ask the owner of the database to run: create schema undrop authorization ${role}`,
  });
}
