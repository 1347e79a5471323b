import type { Session } from '../session/session.ts';
import type { Closure } from './closure.ts';
import type { Obstacle } from './obstacle.ts';
import { findForeignRoles } from './roles.ts';
import { findSpreadTables } from './spread.ts';
import { findLostAttributes } from './type-users.ts';

// https://www.postgresql.org/docs/current/catalog-pg-class.html
const relationsSql = /* sql */ `
  select i.identity, o.reason
  from pg_catalog.pg_class as c
  cross join lateral pg_catalog.pg_identify_object(c.tableoid, c.oid, 0) as i
  cross join lateral (
    select pg_catalog.format('it is temporary and belongs to another session (%s)', i.schema) as reason
    where c.relpersistence = 't' and c.relnamespace <> pg_catalog.pg_my_temp_schema()
    union all
    select 'it is temporary' where c.relnamespace = pg_catalog.pg_my_temp_schema()
    union all
    select 'the index is invalid, and would be valid after a restore; reindex or drop it first'
    -- the index of a partitioned table is invalid while a partition has no matching index
    where c.relkind = 'i'
      and exists (select from pg_catalog.pg_index as x where x.indexrelid = c.oid and not x.indisvalid)
    union all
    select 'it is the target of a subscription, which a restore could not add it to again'
    where exists (select from pg_catalog.pg_subscription_rel as s where s.srrelid = c.oid)
    union all
    select pg_catalog.format('it has no index that matches %s of %s, and would get one when it is attached again', i.identity, p.identity)
    from pg_catalog.pg_inherits as h
    join pg_catalog.pg_index as x on x.indrelid = h.inhparent
    cross join lateral pg_catalog.pg_identify_object(c.tableoid, x.indexrelid, 0) as i
    cross join lateral pg_catalog.pg_identify_object(c.tableoid, h.inhparent, 0) as p
    where h.inhrelid = c.oid and c.relispartition and c.relkind in ('r', 'p') and h.inhparent not in (select pg_catalog.unnest($1::oid[]))
      and not exists (
        select from pg_catalog.pg_index as own
        join pg_catalog.pg_inherits as part on part.inhrelid = own.indexrelid
        where own.indrelid = c.oid and part.inhparent = x.indexrelid)
    union all
    -- ATTACH PARTITION only links valid indexes, and creates others on all partitions
    select pg_catalog.format('its index %s is invalid, because some of its partitions have no matching index, and could not be attached to %s again; create and attach those indexes first',
      i.identity, p.identity)
    from pg_catalog.pg_index as own
    join pg_catalog.pg_inherits as part on part.inhrelid = own.indexrelid
    join pg_catalog.pg_index as x on x.indexrelid = part.inhparent
    cross join lateral pg_catalog.pg_identify_object(c.tableoid, own.indexrelid, 0) as i
    cross join lateral pg_catalog.pg_identify_object(c.tableoid, x.indexrelid, 0) as p
    where own.indrelid = c.oid and c.relkind = 'p' and not own.indisvalid and x.indrelid not in (select pg_catalog.unnest($1::oid[]))
  ) as o
  where c.oid = any ($1::oid[])
  order by i.identity, o.reason`;

const labelsSql = /* sql */ `
  select i.identity, 'it has a security label, which only its provider can set' as reason
  from unnest($1::oid[], $2::oid[]) as m (classid, objid)
  join pg_catalog.pg_seclabel as l on l.classoid = m.classid and l.objoid = m.objid
  cross join lateral pg_catalog.pg_identify_object(l.classoid, l.objoid, l.objsubid) as i
  order by i.identity`;

/** Finds the objects in the closure that are known not to be recreated exactly. */
export async function findObstacles(session: Session, closure: Closure): Promise<Obstacle[]> {
  const destroyed = closure.members
    .filter((member) => member.objsubid !== 0 && member.kind !== 'composite type column')
    .map(({ kind, identity }) => ({
      identity,
      reason: `the ${kind} belongs to an object that stays, and its data and position would be lost`,
    }));
  const extensions = closure.members
    .filter((member) => member.kind === 'extension')
    .map(({ identity }) => ({
      identity,
      reason: 'an object that would be dropped belongs to the extension',
    }));
  const found = await session.together([
    session.read<Obstacle>(relationsSql, [
      closure.members.filter((member) => member.catalog === 'pg_class').map((member) => member.objid),
    ]),
    session.read<Obstacle>(labelsSql, [
      closure.members.map((member) => member.classid),
      closure.members.map((member) => member.objid),
    ]),
    findLostAttributes(session, closure),
    findSpreadTables(session, closure),
    findForeignRoles(session, closure),
  ]);
  return [...destroyed, ...extensions, ...found.flat()];
}
