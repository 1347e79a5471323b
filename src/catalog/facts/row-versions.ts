import type { Session } from '../../session/session.ts';
import type { ObjectKey, Reach, Reached } from '../closure.ts';
import { type Rows, rows } from './normal.ts';

/**
 * The versions of the catalog rows of each object, by its key: a text that changes whenever one of the rows changes.
 */
export type Versions = ReadonlyMap<ObjectKey, string>;

/**
 * Reads the versions of all catalog rows that describe these objects, including survivors. The contents of the rows are
 * not read, so that the query does not wait for locks on the objects.
 */
export async function readVersions(session: Pick<Session, 'read'>, reach: Reach): Promise<Versions> {
  const members = reach.members.filter(({ objsubid }) => objsubid === 0);
  const relations = members.filter(({ catalog }) => catalog === 'pg_class').map(({ objid }) => objid);
  const found = await session.read<{ key: ObjectKey; versions: string }>(versionsSql(members), [
    [...relations, ...reach.survivors.map(({ oid }) => oid)],
    members.map(({ classid }) => classid),
    members.map(({ objid }) => objid),
  ]);
  return new Map(found.map(({ key, versions }) => [key, versions]));
}

/** Returns the objects whose versions have changed, including added and removed ones. */
export function changedBetween(before: Versions, after: Versions): ObjectKey[] {
  const keys = new Set([...before.keys(), ...after.keys()]);
  return [...keys].filter((key) => before.get(key) !== after.get(key));
}

// A row version is identified by the transaction that wrote it, because each transaction leaves one version of a row.
// VACUUM and ANALYZE update catalog rows in place.
// https://www.postgresql.org/docs/current/ddl-system-columns.html
function versionsSql(members: readonly Reached[]): string {
  const specs: Readonly<Record<string, Rows>> = rows;
  const catalogs = [...new Set(members.map(({ catalog }) => catalog))].sort();
  const known = Object.entries(specs)
    .filter(([, { of }]) => of === undefined || catalogs.includes(of))
    .map(([catalog, { identity, where }]) => versionsIn(catalog, identity, where));
  // The dependencies of an object are among its own rows; these rows are those of objects that depend on it.
  const needing = versionsIn(
    'pg_depend',
    ['t.refclassid', 't.refobjid', ''],
    isMember('t.refclassid', 't.refobjid'),
  );
  const others = catalogs
    .filter((catalog) => specs[catalog] === undefined)
    .map((catalog) => versionsIn(catalog, ['t.tableoid', 't.oid', ''], isMember('t.tableoid', 't.oid')));
  return /* sql */ `
    select v.key, pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
      pg_catalog.string_agg(v.version, ',' order by v.version), 'UTF8')), 'hex') as versions
    from (${[...known, needing, ...others].join('\nunion all\n')}) as v
    group by v.key`;
}

function versionsIn(catalog: string, identity: Rows['identity'], where: string): string {
  const key =
    typeof identity === 'string'
      ? identity
      : `pg_catalog.concat(${identity[0]}::oid, '/', ${identity[1]}::oid)`;
  return /* sql */ `
    select ${key} as key, pg_catalog.concat('${catalog} ', t.xmin) as version
    from pg_catalog.${catalog} as t
    where ${where}`;
}

/** Returns the condition that an object is a member; `$2` and `$3` are class and object OIDs of all members. */
function isMember(classid: string, objid: string): string {
  return /* sql */ `(${classid}, ${objid}) in (
    select m.classid, m.objid from unnest($2::oid[], $3::oid[]) as m (classid, objid))`;
}
