import type { Knex } from 'knex';
import { findForeignCode } from '../catalog/foreign-code.ts';
import { withoutExtension } from '../options/migration-name.ts';
import type { Session } from '../session/session.ts';

// By their columns, since they may have any name. Ours first, then that of the search path, as where each tenant has
// one.
const ledgersSql = /* sql */ `
  select pg_catalog.format('%I.%I', n.nspname, c.relname) as name
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and not pg_catalog.starts_with(n.nspname::text, 'pg_')
    and 4 = (
      select pg_catalog.count(*) from pg_catalog.pg_attribute as a
      where a.attrelid = c.oid and a.attname in ('id', 'name', 'batch', 'migration_time'))
  order by c.relname <> 'knex_migrations', n.nspname <> 'undrop',
    pg_catalog.array_position($1::text[], n.nspname::text), n.nspname <> 'public', n.nspname, c.relname`;

/**
 * The tables that may be Knex's migrations table, the likeliest first, qualified and quoted. Tables are left out if
 * planning a query on them would run functions of other roles; Knex creates no such table.
 */
export async function findLedgers(session: Session): Promise<string[]> {
  const found = await session.read<{ name: string }>(ledgersSql, [session.schemas]);
  const ledgers = found.map(({ name }) => name);
  const foreign = await findForeignCode(session, ledgers);
  return ledgers.filter((name) => !foreign.has(name));
}

/** A migrations table as Knex's configuration names it: without a schema, it is searched in the search path. */
export interface NamedLedger {
  readonly tableName: string;
  readonly schemaName: string | undefined;
}

const placeSql = /* sql */ `
  select pg_catalog.format('%I.%I', n.nspname, c.relname) as name
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.relname = $1 and c.relkind in ('r', 'p') and n.nspname = any ($2)
  order by pg_catalog.array_position($2::text[], n.nspname::text)
  limit 1`;

/** Returns the migrations table, qualified and quoted: the named one, or else the likeliest. Undefined if it does not exist. */
export async function findLedger(
  session: Session,
  named: NamedLedger | undefined,
): Promise<string | undefined> {
  if (named === undefined) return (await findLedgers(session))[0];
  const { tableName, schemaName } = named;
  const schemas = schemaName === undefined ? session.schemas : [schemaName];
  const [found] = await session.read<{ name: string }>(placeSql, [tableName, schemas]);
  if (found === undefined) return undefined;
  const foreign = await findForeignCode(session, [found.name]);
  return foreign.has(found.name) ? undefined : found.name;
}

/** The migrations that any migrations table of the database has recorded as completed, without extensions. */
export async function readRecorded(session: Session): Promise<ReadonlySet<string>> {
  const recorded = new Set<string>();
  for (const ledger of await findLedgers(session)) {
    const rows = await session.read<{ name: string }>(`select l.name from ${ledger} as l order by l.id`);
    for (const { name } of rows) recorded.add(withoutExtension(name));
  }
  return recorded;
}

const namedSql = /* sql */ `
  select pg_catalog.format('%I.%I', n.nspname, c.relname) as ledger,
    pg_catalog.format('%I.%I', n.nspname, k.relname) as lock
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_class as k
    on k.relnamespace = n.oid and k.relname = c.relname || '_lock' and k.relkind in ('r', 'p')
      and pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_table_privilege(k.oid, 'select')
  where c.relname = $1 and c.relkind in ('r', 'p') and n.nspname = any ($2)
  order by pg_catalog.array_position($2::text[], n.nspname::text)
  limit 1`;

/**
 * The migrations table of the running migration, qualified and quoted: that of Knex's configuration, if it is locked.
 * While Knex migrates, it locks its migrations table by a row in a second table. Undefined where it is not locked,
 * because Knex does not run the migration, or `migrate.latest` was called with another table.
 * https://knexjs.org/guide/migrations.html#notes-about-locks
 */
export async function findUsedLedger(session: Session, knex: Knex): Promise<string | undefined> {
  const { tableName = 'knex_migrations', schemaName }: Knex.MigratorConfig =
    knex.client.config.migrations ?? {};
  const schemas = schemaName ? [schemaName] : session.schemas;
  const [found] = await session.read<{ ledger: string; lock: string }>(namedSql, [tableName, schemas]);
  if (found === undefined) return undefined;
  const [locked] = await session.read(`select from ${found.lock} as l where l.is_locked = 1`);
  return locked === undefined ? undefined : found.ledger;
}
