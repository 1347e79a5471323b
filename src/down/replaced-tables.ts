import type { Entry } from '../archive/entry.ts';
import { isOwnSql, placeSql } from '../archive/schema.ts';
import type { Difference } from '../capture/compare.ts';
import type { Session } from '../session/session.ts';
import { groupBy } from '../text/group-by.ts';
import { list } from '../text/units.ts';

/**
 * A prerequisite of the dropped tables that was replaced: its name belongs to another object now, with another OID or
 * column number.
 */
export interface Replaced extends Difference {
  /** The relation that was replaced, or whose column was: `table public.parents`. */
  readonly relation: string | null;
  /** The name of the column, where a column was replaced. */
  readonly name: string | null;
}

interface Found {
  readonly identity: string;
  readonly catalog: string;
  readonly oid: number;
  readonly column: number;
  readonly name: string | null;
  /** The present names of the old object, and of the relation that it is part of; null where they were dropped. */
  readonly called: string | null;
  readonly relationCalled: string | null;
  /** The old name of the relation, qualified and quoted, and the relation that has this name now. */
  readonly relationName: string | null;
  readonly relation: string | null;
  readonly newOid: number | null;
  readonly newColumn: number | null;
}

// OIDs are compared only in the database in which they were read: restoring a dump assigns new ones, to the archive
// too. Indexes are left out, since REINDEX CONCURRENTLY changes their OIDs, and constraints, since their columns are
// compared.
// https://www.postgresql.org/docs/current/functions-info.html (pg_identify_object)
const replacedSql = /* sql */ `
  select q.identity, q.catalog, q.oid, q."column", q.names[3] as name,
    case when g.attrelid is null then o.type || ' ' || o.identity end as called,
    w.type || ' ' || w.identity as "relationCalled",
    r.identity as "relationName", r.type || ' ' || r.identity as relation, c.oid::bigint as "newOid", a.attnum as "newColumn"
  from undrop.drops as d
  cross join (${placeSql}) as p
  cross join lateral pg_catalog.jsonb_to_recordset(d.prerequisites)
    as q (type text, identity text, names text[], catalog text, oid bigint, "column" int)
  cross join lateral (select pg_catalog.to_regclass('pg_catalog.' || q.catalog)::oid as oid) as k
  cross join lateral pg_catalog.pg_identify_object(k.oid, q.oid::oid, q."column") as o
  cross join lateral pg_catalog.pg_identify_object(k.oid, q.oid::oid, 0) as w
  left join pg_catalog.pg_attribute as g
    on q.catalog = 'pg_class' and g.attrelid = q.oid and g.attnum = q."column" and g.attisdropped
  left join pg_catalog.pg_namespace as n on q.catalog = 'pg_class' and n.nspname = q.names[1]
  left join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = q.names[2]
  left join pg_catalog.pg_attribute as a on a.attrelid = c.oid and a.attname = q.names[3] and not a.attisdropped
  left join lateral pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, c.oid, 0) as r on true
  where d.id = $1 and ${isOwnSql('d')} and d.archive_oid = p.archive_oid
    and q.oid is not null and q.type not in ('index', 'table constraint', 'domain constraint')
    and o.type || ' ' || o.identity is distinct from q.identity
  order by q.identity`;

/**
 * The replaced prerequisites of an entry. Empty for an entry of an older version, and for one that was restored from a
 * dump or upgraded, since it holds no usable OIDs.
 */
export async function readReplaced(session: Session, entry: Entry): Promise<Replaced[]> {
  const hasOids = entry.prerequisites.some(({ oid }) => oid !== undefined);
  if (!hasOids || Number.parseInt(entry.serverVersion, 10) !== session.server.major) return [];
  const found = await session.read<Found>(replacedSql, [entry.id]);
  if (found.length === 0) return [];
  const restored = await readRestoredOids(session, found);
  // Where the relation has kept its OID, a column was replaced.
  const replaced = found
    .filter((each) => each.newOid === each.oid || follow(each, restored) !== each.newOid)
    .map(describe);
  // A replaced relation is found once for each of its columns.
  return [...groupBy(replaced, ({ object }) => object).values()].flatMap(([first]) => first ?? []);
}

interface RestoredOid {
  readonly name: string;
  readonly was: number;
  readonly is: number;
}

const restoredOidsSql = /* sql */ `
  select o.key as name, o.value::bigint as was, r.value::bigint as is
  from undrop.drops as d
  cross join (${placeSql}) as p
  cross join lateral pg_catalog.jsonb_each_text(d.oids) as o
  join lateral pg_catalog.jsonb_each_text(d.restored_oids) as r on r.key = o.key and r.value is not null
  where ${isOwnSql('d')} and d.archive_oid = p.archive_oid and o.key = any ($1)
  order by d.id`;

/** The OIDs of these relations before and after other migrations dropped and restored them. */
function readRestoredOids(session: Session, found: readonly Found[]): Promise<RestoredOid[]> {
  const names = found.flatMap(({ relationName }) => relationName ?? []);
  return session.read<RestoredOid>(restoredOidsSql, [[...new Set(names)]]);
}

/** The OID of the relation after all restores. */
function follow({ relationName, oid }: Found, restored: readonly RestoredOid[]): number {
  // The entries are in the order of the drops.
  return restored.reduce(
    (last, { name, was, is }) => (name === relationName && was === last ? is : last),
    oid,
  );
}

function describe(found: Found): Replaced {
  const { identity, catalog, oid, column, name, called, relationCalled, relation, newOid, newColumn } = found;
  const now = (text: string | null) => (text === null ? '' : `, now ${text}`);
  if (catalog !== 'pg_class' || newOid === null || relation === null) {
    const before = `${oid}${now(called)}`;
    return { object: identity, catalog, column: 'oid', before, after: null, relation: null, name: null };
  }
  if (newOid !== oid) {
    const before = `${oid}${now(relationCalled)}`;
    return { object: relation, catalog, column: 'oid', before, after: `${newOid}`, relation, name: null };
  }
  const about = { object: identity, catalog: 'pg_attribute', column: 'attnum', relation, name };
  return { ...about, before: `${column}${now(called)}`, after: newColumn === null ? null : `${newColumn}` };
}

/** A line for the log. */
export function describeReplaced(replaced: readonly Replaced[]): string {
  return `replaced since the drop by other objects of the same name: ${list(replaced.map(({ object }) => object))}`;
}
