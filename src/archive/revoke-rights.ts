import type { Session } from '../session/session.ts';

const granteeSql = /* sql */ `case e.grantee when 0 then 'public'
    else pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(e.grantee)) end`;

const schemaSql = /* sql */ `
  select distinct pg_catalog.format('revoke all on schema %I from %s', n.nspname, ${granteeSql}) as sql
  from pg_catalog.pg_namespace as n
  cross join lateral pg_catalog.aclexplode(n.nspacl) as e
  where n.nspname = $1 and e.grantee <> n.nspowner
  order by 1`;

const relationsSql = /* sql */ `
  select distinct pg_catalog.format('revoke all on %s %s from %s',
    case c.relkind when 'S' then 'sequence' else 'table' end, r.name, ${granteeSql}) as sql
  from pg_catalog.unnest($1::text[]) as r (name)
  join pg_catalog.pg_class as c on c.oid = pg_catalog.to_regclass(r.name)
  cross join lateral pg_catalog.aclexplode(c.relacl) as e
  where e.grantee <> c.relowner
  order by 1`;

/**
 * Revokes what default privileges granted on a new schema.
 * https://www.postgresql.org/docs/current/sql-alterdefaultprivileges.html
 */
export async function closeSchema(session: Session, name: string): Promise<void> {
  await runAll(session, await session.read<{ sql: string }>(schemaSql, [name]));
}

/** Revokes what default privileges granted on new tables and sequences. Names are qualified and quoted. */
export async function closeRelations(session: Session, names: readonly string[]): Promise<void> {
  await runAll(session, await session.read<{ sql: string }>(relationsSql, [names]));
}

async function runAll(session: Session, statements: readonly { sql: string }[]): Promise<void> {
  if (statements.length > 0) await session.run(statements.map(({ sql }) => sql).join(';\n'));
}
