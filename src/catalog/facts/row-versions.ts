import type { Session } from '../../session/session.ts';
import type { ObjectKey, Reach, Reached } from '../closure.ts';
import { type Rows, rows } from './normal.ts';

/** The versions of the catalog rows about each object, by its key: a text that changes whenever one of the rows changes. */
export interface Versions {
  /** The rows that describe the object. */
  readonly own: ReadonlyMap<ObjectKey, string>;
  /** The rows of objects that depend on it. */
  readonly needing: ReadonlyMap<ObjectKey, string>;
}

type Reading = Pick<Session, 'read'>;

/**
 * Reads the versions of all catalog rows about these objects, including survivors. The contents of the rows are not read, so
 * that the query does not wait for locks on the objects.
 */
export async function readVersions(session: Reading, reach: Reach): Promise<Versions> {
  const { members, classids, objids } = membersOf(reach);
  const relations = members.filter(({ catalog }) => catalog === 'pg_class').map(({ objid }) => objid);
  const survivors = reach.survivors.map(({ oid }) => oid);
  const values = [[...relations, ...survivors], classids, objids];
  return select(session, [...ownRows(members), needingRows(2)], values);
}

/** Reads only the versions of rows of objects that depend on these. */
export async function readNeeding(session: Reading, reach: Reach): Promise<Versions['needing']> {
  const { classids, objids } = membersOf(reach);
  return (await select(session, [needingRows(1)], [classids, objids])).needing;
}

/** Returns the objects whose versions have changed, including added and removed ones. */
export function changedBetween(before: Versions, after: Versions): ObjectKey[] {
  const changed = (was: Versions['own'], is: Versions['own']) =>
    [...was.keys(), ...is.keys()].filter((key) => was.get(key) !== is.get(key));
  return [...new Set([...changed(before.own, after.own), ...changed(before.needing, after.needing)])];
}

function membersOf(reach: Reach) {
  const members = reach.members.filter(({ objsubid }) => objsubid === 0);
  return {
    members,
    classids: members.map(({ classid }) => classid),
    objids: members.map(({ objid }) => objid),
  };
}

// A row version is identified by the transaction that wrote it, because each transaction leaves one version of a row.
// VACUUM and ANALYZE update catalog rows in place.
// https://www.postgresql.org/docs/current/ddl-system-columns.html
async function select(
  session: Reading,
  rows: readonly string[],
  values: readonly unknown[],
): Promise<Versions> {
  const sql = /* sql */ `
    select v.part, v.key, pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
      pg_catalog.string_agg(v.version, ',' order by v.version), 'UTF8')), 'hex') as versions
    from (${rows.join('\nunion all\n')}) as v
    group by v.part, v.key`;
  const versions = { own: new Map<ObjectKey, string>(), needing: new Map<ObjectKey, string>() };
  const found = await session.read<{ part: keyof Versions; key: ObjectKey; versions: string }>(sql, values);
  for (const { part, key, versions: text } of found) versions[part].set(key, text);
  return versions;
}

// The dependencies of an object are among its own rows.
function ownRows(members: readonly Reached[]): string[] {
  const specs: Readonly<Record<string, Rows>> = rows;
  const catalogs = [...new Set(members.map(({ catalog }) => catalog))].sort();
  const known = Object.entries(specs)
    .filter(([, { of }]) => of === undefined || catalogs.includes(of))
    .map(([catalog, { identity, where }]) => versionsIn(catalog, identity, where));
  const others = catalogs
    .filter((catalog) => specs[catalog] === undefined)
    .map((catalog) => versionsIn(catalog, ['t.tableoid', 't.oid', ''], isMember('t.tableoid', 't.oid', 2)));
  return [...known, ...others];
}

/** @param first the number of the parameter with the classes of all members; the next one holds their OIDs */
function needingRows(first: number): string {
  const where = isMember('t.refclassid', 't.refobjid', first);
  return versionsIn('pg_depend', ['t.refclassid', 't.refobjid', ''], where, 'needing');
}

function versionsIn(
  catalog: string,
  identity: Rows['identity'],
  where: string,
  part: keyof Versions = 'own',
): string {
  const key =
    typeof identity === 'string'
      ? identity
      : `pg_catalog.concat(${identity[0]}::oid, '/', ${identity[1]}::oid)`;
  return /* sql */ `
    select '${part}' as part, ${key} as key, pg_catalog.concat('${catalog} ', t.xmin) as version
    from pg_catalog.${catalog} as t
    where ${where}`;
}

function isMember(classid: string, objid: string, first: number): string {
  return /* sql */ `(${classid}, ${objid}) in (
    select m.classid, m.objid from unnest($${first}::oid[], $${first + 1}::oid[]) as m (classid, objid))`;
}
