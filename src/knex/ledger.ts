import type { ClientBase } from 'pg';
import { UndropError } from '../errors.ts';
import { withoutExtension } from '../options/migration-name.ts';
import { readRows } from '../session/read-rows.ts';
import { notCreated, onlyRead } from '../session/server-errors.ts';
import { healLedger, mayFreeSql } from './ledger-lock.ts';
import type { Ledger } from './migrations-table.ts';

/**
 * Prepares the migrations table before Knex reads it. Creates the schema, without privileges for other roles, and the
 * tables, which Knex would not create safely in two processes at once. Releases a lock that a killed process has left.
 *
 * @returns the recorded names of completed migrations by their names without extension
 * @throws UndropError `bad-options` where another migrations table exists, `insufficient-privilege`,
 * `unsupported-server` where the database is read-only
 */
export async function prepareLedger(client: ClientBase, ledger: Ledger): Promise<Map<string, string>> {
  let place = await findPlace(client, ledger);
  // Knex writes to its migrations table in every command, and would fail with the server's message.
  if (place.readOnly) throw onlyRead(place.database);
  if (!place.hasTable && !ledger.given) await refuseSecond(client, ledger);
  if (!place.hasSchema) {
    await createSchema(client, ledger, place);
    place = await findPlace(client, ledger);
  }
  if (!place.mayUse || !(place.mayCreate || place.hasTable)) throw noRight(ledger, place);
  if (!place.hasTable) {
    await createTables(client, place);
    place = await findPlace(client, ledger);
  }
  if (place.mayFree) await healLedger(client, ledger, place.lockTable);
  return readCompleted(client, ledger, place);
}

interface Place {
  database: string;
  readOnly: boolean;
  hasSchema: boolean;
  hasTable: boolean;
  mayUse: boolean;
  mayCreate: boolean;
  mayRead: boolean;
  /** Whether the role may release the lock. */
  mayFree: boolean;
  /** Quoted for SQL. */
  schema: string;
  table: string;
  lockTable: string;
  role: string;
}

async function findPlace(client: ClientBase, { schemaName, tableName }: Ledger): Promise<Place> {
  const [place] = await readRows<Place>(
    client,
    /* sql */ `
    select pg_catalog.current_database() as database,
      pg_catalog.current_setting('transaction_read_only')::boolean as "readOnly",
      n.oid is not null as "hasSchema",
      c.oid is not null as "hasTable",
      coalesce(pg_catalog.has_schema_privilege(n.oid, 'usage'), false) as "mayUse",
      coalesce(pg_catalog.has_schema_privilege(n.oid, 'create'), false) as "mayCreate",
      coalesce(pg_catalog.has_table_privilege(c.oid, 'select'), false) as "mayRead",
      coalesce(${mayFreeSql('k.oid')}, false) as "mayFree",
      pg_catalog.quote_ident(w.schema) as schema,
      pg_catalog.format('%I.%I', w.schema, w.name) as table,
      pg_catalog.format('%I.%I', w.schema, w.name || '_lock') as "lockTable",
      pg_catalog.quote_ident(current_user) as role
    from (values ($1::text, $2::text)) as w (schema, name)
    left join pg_catalog.pg_namespace as n on n.nspname = w.schema
    left join pg_catalog.pg_class as c
      on c.relnamespace = n.oid and c.relname = w.name and c.relkind in ('r', 'p')
    left join pg_catalog.pg_class as k
      on k.relnamespace = n.oid and k.relname = w.name || '_lock' and k.relkind in ('r', 'p')`,
    [schemaName, tableName],
  );
  return place as Place;
}

// https://www.postgresql.org/docs/current/catalog-pg-default-acl.html
const granteesSql = /* sql */ `
  select coalesce(pg_catalog.string_agg(distinct
    ', ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(e.grantee)), ''), '') as others
  from pg_catalog.pg_default_acl as d
  cross join lateral pg_catalog.aclexplode(d.defaclacl) as e
  where d.defaclobjtype = 'n' and d.defaclnamespace = 0 and d.defaclrole = current_user::pg_catalog.regrole
    and e.grantee not in (0, d.defaclrole)`;

async function createSchema(client: ClientBase, ledger: Ledger, { schema }: Place): Promise<void> {
  // Default privileges may grant privileges on the new schema.
  const [found] = await readRows<{ others: string }>(client, granteesSql);
  const grantees = `public${found?.others ?? ''}`;
  try {
    // Sent together, they run in one transaction.
    await client.query(`create schema ${schema}; revoke all on schema ${schema} from ${grantees}`);
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === '42501') throw noRight(ledger, await findPlace(client, ledger), error);
    // Another process created it at the same time.
    if (code !== '42P06' && code !== '23505') throw notCreated(`schema ${schema}`, error);
  }
}

// The same tables as Knex creates (migrations/migrate/table-creator.js). Sent together, the statements run in one
// transaction.
async function createTables(client: ClientBase, { table, lockTable }: Place): Promise<void> {
  const created = client.query(/* sql */ `
    select pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('undrop.ledger'));
    create table if not exists ${table}
      (id serial primary key, name varchar(255), batch integer, migration_time timestamptz);
    create table if not exists ${lockTable} (index serial primary key, is_locked integer);
    insert into ${lockTable} (is_locked) select 0 where not exists (select from ${lockTable});`);
  await created.catch((error) => {
    throw notCreated(`migrations table ${table}`, error);
  });
}

async function readCompleted(client: ClientBase, ledger: Ledger, place: Place): Promise<Map<string, string>> {
  if (!place.mayRead) throw noRight(ledger, place);
  const rows = await readRows<{ name: string }>(client, `select l.name from ${place.table} as l`);
  return new Map(rows.map(({ name }) => [withoutExtension(name), name]));
}

async function refuseSecond(client: ClientBase, ledger: Ledger): Promise<void> {
  const rows = await readRows<{ schema: string; name: string }>(
    client,
    /* sql */ `
    select n.nspname as schema, c.relname as name
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.relname in ($1, 'knex_migrations')
      and c.relkind in ('r', 'p')
      and (n.nspname, c.relname) <> ($2, $1)
      and 3 = (select pg_catalog.count(*) from pg_catalog.pg_attribute as a
               where a.attrelid = c.oid and a.attname in ('name', 'batch', 'migration_time'))
    order by n.nspname <> 'public', n.nspname, c.relname`,
    [ledger.tableName, ledger.schemaName],
  );
  const [old] = rows;
  if (!old) return;
  const all = rows.map(({ schema, name }) => `${schema}.${name}`).join(', ');
  throw new UndropError('bad-options', {
    subject: all,
    message: `This database already has a migrations table: ${all}.`,
    reason: `With a second one in ${ledger.schemaName}, Knex would run all migrations again.`,
    next:
      `Keep using it: undropConfig({ schemaName: '${old.schema}', tableName: '${old.name}', … }).\n` +
      `If it belongs to another application, set schemaName: '${ledger.schemaName}'.`,
  });
}

function noRight(ledger: Ledger, place: Place, cause?: unknown): UndropError {
  const { schema, table, role } = place;
  const [what, next] = !place.hasSchema
    ? [`create the schema ${schema}`, `create schema ${schema} authorization ${role}`]
    : place.mayUse && place.hasTable
      ? [`read ${table}`, `alter table ${table} owner to ${role} (and its _lock likewise)`]
      : [`create tables in the schema ${schema}`, `grant usage, create on schema ${schema} to ${role}`];
  return new UndropError('insufficient-privilege', {
    subject: ledger.schemaName,
    message: `${role} may not ${what}.`,
    reason: 'Knex keeps its migrations table there.',
    next: `Ask the owner of the database or schema to run: ${next}`,
    ...(cause === undefined ? {} : { cause }),
  });
}
