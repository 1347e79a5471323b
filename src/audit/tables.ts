import { inArchiveSql } from '../catalog/archive-schemas.ts';
import type { Session } from '../session/session.ts';
import { illegibleSql, legibleSql } from './legible.ts';

/** A table, as described by the catalogs and the statistics. */
export interface Table {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** The qualified and quoted name. */
  readonly sql: string;
  /** A partitioned table holds no rows of its own. */
  readonly partitioned: boolean;
  /** The OID of its partitioned table; null if it is not a partition. */
  readonly parent: number | null;
  /** Its partitions that are foreign tables, such as `public.p1 on server far`. */
  readonly foreignPartitions: readonly string[];
  readonly owner: string;
  readonly extension: string | null;
  readonly comment: string | null;
  /** Whether the comment is not in UTF-8, and is returned with escapes. */
  readonly illegible: boolean;
  readonly columns: readonly Column[];
  /** Size of the main data file in bytes. Access methods other than heap may store rows elsewhere. */
  readonly rowBytes: number;
  /** Whether the access method is heap. */
  readonly heap: boolean;
  /** In bytes, with indexes and TOAST. Their sizes are those of the last VACUUM, ANALYZE or CREATE INDEX. */
  readonly totalBytes: number;
  /** Number of rows estimated by the last VACUUM, ANALYZE or CREATE INDEX; -1 if unknown. */
  readonly estimate: number;
  /** Whether the current role can read all rows. */
  readonly readable: boolean;
  /** Rows written since the statistics were reset, including rolled-back transactions; null if not counted. */
  readonly written: number | null;
  /** Number of index scans. */
  readonly indexReads: number | null;
  /** Number of sequential scans, including those of pg_dump, of audits and of rehearsals. */
  readonly tableReads: number | null;
  /** ISO 8601; null before PostgreSQL 16, or if there was no scan. */
  readonly lastIndexRead: string | null;
  readonly lastTableRead: string | null;
}

export interface Column {
  readonly name: string;
  readonly comment: string | null;
  /** Whether the comment is not in UTF-8, and is returned with escapes. */
  readonly illegible: boolean;
  /** Whether it is the whole primary key, or part of a foreign key. */
  readonly keyed: boolean;
  /** Whether its type is one of those that keys usually have: an integer or uuid. */
  readonly ofKeyType: boolean;
}

// Leaves out the system schemas and the archive.
const userSchema = /* sql */ `(n.nspname <> 'information_schema' and not ${inArchiveSql('n.nspname')}
    and not pg_catalog.starts_with(n.nspname::text, 'pg_'))`;

const tablesSql = (lastReads: boolean) => /* sql */ `
  select c.oid::bigint as oid, n.nspname as schema, c.relname as name,
    pg_catalog.format('%I.%I', n.nspname, c.relname) as sql,
    c.relkind = 'p' as partitioned,
    case when c.relispartition then i.inhparent::bigint end as parent,
    coalesce(f.partitions, '{}') as "foreignPartitions",
    pg_catalog.pg_get_userbyid(c.relowner) as owner,
    e.extname as extension, ${legibleSql('m.description')} as comment,
    coalesce(${illegibleSql('m.description')}, false) as illegible, coalesce(a.columns, '[]') as columns,
    z.bytes as "rowBytes", coalesce(k.amname = 'heap', false) as heap,
    -- reading the size of every file would be the slowest part of the query
    z.bytes + (coalesce(x.pages, 0) + coalesce(o.relpages, 0))
      * pg_catalog.current_setting('block_size')::bigint as "totalBytes",
    c.reltuples as estimate,
    pg_catalog.has_schema_privilege(n.oid, 'usage') and pg_catalog.has_table_privilege(c.oid, 'select')
      and not pg_catalog.row_security_active(c.oid) as readable,
    pg_catalog.pg_stat_get_tuples_inserted(c.oid) + pg_catalog.pg_stat_get_tuples_updated(c.oid)
      + pg_catalog.pg_stat_get_tuples_deleted(c.oid) as written,
    coalesce(x.reads, 0) as "indexReads",
    pg_catalog.pg_stat_get_numscans(c.oid) as "tableReads",
    x.last as "lastIndexRead",
    ${lastReads ? 'pg_catalog.pg_stat_get_lastscan(c.oid)' : 'null'} as "lastTableRead"
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  cross join lateral (select coalesce(pg_catalog.pg_relation_size(c.oid), 0) as bytes offset 0) as z
  left join pg_catalog.pg_am as k on k.oid = c.relam
  left join pg_catalog.pg_class as o on o.oid = c.reltoastrelid
  left join pg_catalog.pg_inherits as i on i.inhrelid = c.oid and c.relispartition
  left join pg_catalog.pg_depend as d
    on d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.objsubid = 0
      and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.deptype = 'e'
  left join pg_catalog.pg_extension as e on e.oid = d.refobjid
  left join pg_catalog.pg_description as m
    on m.objoid = c.oid and m.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and m.objsubid = 0
  left join (
    select i.inhparent, pg_catalog.array_agg(pg_catalog.format('%I.%I on server %I', n.nspname, c.relname, s.srvname)
      order by n.nspname, c.relname) as partitions
    from pg_catalog.pg_inherits as i
    join pg_catalog.pg_class as c on c.oid = i.inhrelid and c.relispartition
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    join pg_catalog.pg_foreign_table as t on t.ftrelid = c.oid
    join pg_catalog.pg_foreign_server as s on s.oid = t.ftserver
    group by i.inhparent
  ) as f on f.inhparent = c.oid
  left join (
    select x.indrelid, pg_catalog.sum(i.relpages)::bigint as pages,
      pg_catalog.sum(pg_catalog.pg_stat_get_numscans(x.indexrelid)) as reads,
      ${lastReads ? 'pg_catalog.max(pg_catalog.pg_stat_get_lastscan(x.indexrelid))' : 'null'} as last
    from pg_catalog.pg_index as x
    join pg_catalog.pg_class as i on i.oid = x.indexrelid
    group by x.indrelid
  ) as x on x.indrelid = c.oid
  left join (
    select a.attrelid, pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', a.attname, 'comment', ${legibleSql('m.description')},
      'illegible', coalesce(${illegibleSql('m.description')}, false), 'keyed', k.attnum is not null,
      'ofKeyType', a.atttypid = any ('{int2,int4,int8,uuid}'::pg_catalog.regtype[])) order by a.attnum) as columns
    from pg_catalog.pg_attribute as a
    left join pg_catalog.pg_description as m
      on m.objoid = a.attrelid and m.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass and m.objsubid = a.attnum
    left join (
      select distinct k.conrelid, u.attnum
      from pg_catalog.pg_constraint as k
      cross join lateral pg_catalog.unnest(k.conkey) as u (attnum)
      where k.contype = 'f' or k.contype = 'p' and pg_catalog.cardinality(k.conkey) = 1
    ) as k on k.conrelid = a.attrelid and k.attnum = a.attnum
    where a.attnum > 0 and not a.attisdropped
      and a.attrelid in (select t.oid from pg_catalog.pg_class as t where t.relkind in ('r', 'p'))
    group by a.attrelid
  ) as a on a.attrelid = c.oid
  where c.relkind in ('r', 'p') and c.relpersistence <> 't' and ${userSchema}
  order by n.nspname, c.relname`;

/** Returns all tables of the user schemas, without the archive. */
export function readTables(session: Session): Promise<Table[]> {
  return session.read<Table>(tablesSql(session.server.lastReads));
}

const namesSql = /* sql */ `
  select distinct c.relname as name
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S', 'c') and ${userSchema}
  order by c.relname`;

/** Returns the names of all tables, views, foreign tables, sequences and composite types. */
export async function readRelationNames(session: Session): Promise<string[]> {
  const rows = await session.read<{ name: string }>(namesSql);
  return rows.map(({ name }) => name);
}

/** When the statistics were last reset, and on which server. */
export interface Counting {
  /** ISO 8601; null if the server does not count. */
  readonly since: string | null;
  /** Address and version of the server. */
  readonly server: string;
  /** Why the server does not count; null if it does. */
  readonly reason: string | null;
}

// A crash resets all counters. The reset time of the shared counters is always known, that of a database may not be.
// https://www.postgresql.org/docs/current/monitoring-stats.html
const countingSql = /* sql */ `
  select pg_catalog.to_json(greatest(
      pg_catalog.pg_stat_get_db_stat_reset_time(d.oid), pg_catalog.pg_stat_get_bgwriter_stat_reset_time())) as since,
    coalesce(pg_catalog.host(pg_catalog.inet_server_addr()) || ':' || pg_catalog.inet_server_port(), 'local')
      || ', PostgreSQL ' || pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1) as server,
    case
      when pg_catalog.pg_is_in_recovery() then 'a standby does not count replayed writes'
      when not pg_catalog.current_setting('track_counts')::boolean then 'the setting track_counts is off'
    end as reason
  from pg_catalog.pg_database as d
  where d.datname = pg_catalog.current_database()`;

export async function readCounting(session: Session): Promise<Counting> {
  const [row] = await session.read<Counting>(countingSql);
  if (row === undefined) throw new Error('this database is not in pg_database');
  if (row.reason !== null) return { ...row, since: null };
  return row.since === null ? { ...row, reason: 'the server does not report when counting began' } : row;
}
