import type { Session } from '../../session/session.ts';

/**
 * Returns the root of each partition whose rows pg_dump writes through the root of the partition tree, by OID. These are the
 * partitions below a table that is partitioned by the hash of an enum: in another database its values have other hashes.
 * pg_dump applies the same rule, in `getPartitioningInfo`.
 */
export async function readRoots(session: Session): Promise<Map<number, { schema: string; name: string }>> {
  const rows = await session.read<{ oid: number; schema: string; name: string }>(rootsSql);
  return new Map(rows.map(({ oid, schema, name }) => [oid, { schema, name }]));
}

const rootsSql = /* sql */ `
  select distinct t.relid::oid::bigint as oid, n.nspname as schema, c.relname as name
  from pg_catalog.pg_partitioned_table as p
  cross join lateral pg_catalog.pg_partition_tree(p.partrelid) as t
  join pg_catalog.pg_class as c on c.oid = pg_catalog.pg_partition_root(p.partrelid)
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where t.isleaf and t.relid <> p.partrelid and exists (
    select from pg_catalog.unnest(p.partclass::oid[]) as k (oid)
    join pg_catalog.pg_opclass as o on o.oid = k.oid
    join pg_catalog.pg_am as a on a.oid = o.opcmethod
    where o.opcname = 'enum_ops' and o.opcnamespace = 'pg_catalog'::pg_catalog.regnamespace and a.amname = 'hash')`;
