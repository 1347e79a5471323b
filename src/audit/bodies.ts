import { sqlState } from '../errors.ts';
import type { Session } from '../session/session.ts';

/** A function with a text body, or a row of an extension: PostgreSQL does not record what it depends on. */
export interface Body {
  readonly identity: string;
  /** In UTF-8. In a database in SQL_ASCII: the bytes that are stored. */
  readonly text: Buffer;
}

const encoding = /* sql */ `case pg_catalog.getdatabaseencoding() when 'SQL_ASCII' then 'SQL_ASCII' else 'UTF8' end`;

const bodiesSql = /* sql */ `
  select i.type || ' ' || i.identity as identity, pg_catalog.encode(pg_catalog.convert_to(p.prosrc, ${encoding}), 'hex') as text
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_language as l on l.oid = p.prolang and l.lanname not in ('c', 'internal')
  cross join lateral pg_catalog.pg_identify_object(p.tableoid, p.oid, 0) as i
  where p.oid >= 16384 and p.prosqlbody is null
    and not exists (
      select from pg_catalog.pg_depend as d
      where d.classid = p.tableoid and d.objid = p.oid and d.deptype = 'e')
  order by i.identity`;

export function readBodies(session: Session): Promise<Body[]> {
  return read(session, bodiesSql);
}

/** Tables of extensions whose rows name tables: jobs, and partitioned tables with their templates. */
const configurations = [
  { extension: 'pg_cron', table: 'job' },
  { extension: 'pg_partman', table: 'part_config' },
];

// Only if it belongs to the extension: reading a view of another role would run its functions.
const configurationSql = /* sql */ `
  select pg_catalog.format('%I.%I', n.nspname, c.relname) as name
  from pg_catalog.pg_extension as e
  join pg_catalog.pg_depend as d on d.refclassid = e.tableoid and d.refobjid = e.oid and d.deptype = 'e'
  join pg_catalog.pg_class as c on c.tableoid = d.classid and c.oid = d.objid and c.relkind = 'r'
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where e.extname = $1 and c.relname = $2
  order by n.nspname`;

// Read as JSON, because the columns differ between versions of an extension.
const rowsSql = (name: string) => /* sql */ `
  select coalesce('job ' || coalesce(r.data ->> 'jobname', r.data ->> 'jobid'), '${name}') as identity,
    pg_catalog.encode(pg_catalog.convert_to(coalesce(r.data ->> 'command', r.data::text), ${encoding}), 'hex') as text
  from (select pg_catalog.to_jsonb(c) as data from ${name} as c) as r
  where coalesce(r.data ->> 'database', pg_catalog.current_database()) = pg_catalog.current_database()
  order by identity, text`;

/**
 * Returns the configuration of extensions that names tables, such as the jobs of pg_cron for this database, and the
 * names of the tables of which the role cannot read all rows.
 */
export async function readConfigurations(session: Session): Promise<{ bodies: Body[]; unseen: string[] }> {
  const bodies: Body[] = [];
  const unseen: string[] = [];
  for (const { extension, table } of configurations) {
    const found = await session.read<{ name: string }>(configurationSql, [extension, table]);
    for (const { name } of found) {
      try {
        bodies.push(...(await session.attempt(() => read(session, rowsSql(name)))));
      } catch (error) {
        // insufficient_privilege: also where row-level security would hide rows.
        if (sqlState(error) !== '42501') throw error;
        unseen.push(`${name} of ${extension}`);
      }
    }
  }
  return { bodies, unseen };
}

async function read(session: Session, sql: string): Promise<Body[]> {
  const rows = await session.read<{ identity: string; text: string }>(sql);
  return rows.map(({ identity, text }) => ({ identity, text: Buffer.from(text, 'hex') }));
}
