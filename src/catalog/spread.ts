import type { Session } from '../session/session.ts';
import type { Closure } from './closure.ts';
import type { Obstacle } from './obstacle.ts';

/** A table whose rows an extension stores in other tables or on other servers. */
export interface SpreadTable {
  readonly identity: string;
  readonly by: 'citus' | 'hypertable' | 'chunk';
}

const reasons: Readonly<Record<SpreadTable['by'], string>> = {
  citus: 'Citus distributes it: its shards, and the rows in them, are on other servers or in other tables',
  hypertable: 'it is a hypertable of TimescaleDB, whose rows and settings are in tables of the extension',
  chunk: 'it is a chunk of a hypertable of TimescaleDB, which the extension creates and manages',
};

// Whether the catalogs of the extensions exist.
const catalogsSql = /* sql */ `
  select pg_catalog.to_regclass('pg_catalog.pg_dist_partition') is not null as citus,
    pg_catalog.to_regclass('_timescaledb_catalog.hypertable') is not null as hypertable,
    pg_catalog.to_regclass('_timescaledb_catalog.chunk') is not null as chunk`;

const timescaleSql = (by: 'hypertable' | 'chunk') => /* sql */ `
  select c.oid, '${by}' as by
  from _timescaledb_catalog.${by} as h
  join pg_catalog.pg_namespace as n on n.nspname = h.schema_name
  join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = h.table_name`;

const selects: Readonly<Record<SpreadTable['by'], string>> = {
  citus: `select p.logicalrelid::pg_catalog.oid as oid, 'citus' as by from pg_catalog.pg_dist_partition as p`,
  hypertable: timescaleSql('hypertable'),
  chunk: timescaleSql('chunk'),
};

/** Finds the tables of the closure that an extension distributes. */
export async function findSpreadTables(session: Session, closure: Closure): Promise<Obstacle[]> {
  const [installed] = await session.read<Record<SpreadTable['by'], boolean>>(catalogsSql);
  const present = (['citus', 'hypertable', 'chunk'] as const).filter((by) => installed?.[by]);
  if (present.length === 0) return [];
  const sql = /* sql */ `
    select i.identity, s.by
    from (${present.map((by) => selects[by]).join(' union all ')}) as s
    cross join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, s.oid, 0) as i
    where s.oid = any ($1::oid[])
    order by i.identity, s.by`;
  const relations = closure.members.filter(({ catalog }) => catalog === 'pg_class').map(({ objid }) => objid);
  return describeSpreadTables(await session.read<SpreadTable>(sql, [relations]));
}

export function describeSpreadTables(tables: readonly SpreadTable[]): Obstacle[] {
  return tables.map(({ identity, by }) => ({ identity, reason: reasons[by] }));
}
