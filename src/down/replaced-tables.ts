import type { Entry } from '../archive/entry.ts';
import { isOwnSql, placeSql } from '../archive/schema.ts';
import type { Difference } from '../capture/compare.ts';
import type { Session } from '../session/session.ts';
import { groupBy } from '../text/group-by.ts';

/** What the tables rested on when they were dropped, where something else has its name by now: another OID, or number of a column. */
export interface Replaced extends Difference {
  /** The relation that is replaced, or has another column: `table public.parents`. */
  readonly relation: string | null;
  /** The name of the column, where it is one. */
  readonly name: string | null;
}

interface Found {
  readonly identity: string;
  readonly catalog: string;
  readonly oid: number;
  readonly column: number;
  readonly name: string | null;
  /** What the object, and the relation that it is a part of, are called by now; null where they are gone. */
  readonly called: string | null;
  readonly relationCalled: string | null;
  /** Of the relation, qualified and quoted, and what has it by now. */
  readonly relationName: string | null;
  readonly relation: string | null;
  readonly newOid: number | null;
  readonly newColumn: number | null;
}

// OIDs are compared only where they were read: a dump gives new ones to all that it restores, the archive included. An index
// gets another one from REINDEX CONCURRENTLY, and what a constraint is, its columns say.
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

/** What is replaced; nothing is known of it in an entry of an older version, or that came here by a dump or an upgrade. */
export async function readReplaced(session: Session, entry: Entry): Promise<Replaced[]> {
  const isTold = entry.prerequisites.some(({ oid }) => oid !== undefined);
  if (!isTold || Number.parseInt(entry.serverVersion, 10) !== session.server.major) return [];
  const found = await session.read<Found>(replacedSql, [entry.id]);
  if (found.length === 0) return [];
  const brought = await readBrought(session, found);
  // Of a relation that has kept its OID, a column was replaced.
  const replaced = found
    .filter((one) => one.newOid === one.oid || follow(one, brought) !== one.newOid)
    .map(describe);
  // A relation is named by each of its columns.
  return [...groupBy(replaced, ({ object }) => object).values()].flatMap(([first]) => first ?? []);
}

interface Brought {
  readonly name: string;
  readonly was: number;
  readonly is: number;
}

const broughtSql = /* sql */ `
  select o.key as name, o.value::bigint as was, r.value::bigint as is
  from undrop.drops as d
  cross join (${placeSql}) as p
  cross join lateral pg_catalog.jsonb_each_text(d.oids) as o
  join lateral pg_catalog.jsonb_each_text(d.restored_oids) as r on r.key = o.key and r.value is not null
  where ${isOwnSql('d')} and d.archive_oid = p.archive_oid and o.key = any ($1)
  order by d.id`;

/** What other drops took of these relations and brought back: the same, with another OID. */
function readBrought(session: Session, found: readonly Found[]): Promise<Brought[]> {
  const names = found.flatMap(({ relationName }) => relationName ?? []);
  return session.read<Brought>(broughtSql, [[...new Set(names)]]);
}

/** The OID that the relation has by now. */
function follow({ relationName, oid }: Found, brought: readonly Brought[]): number {
  // Each drop is later than the one that it follows on.
  return brought.reduce((now, { name, was, is }) => (name === relationName && was === now ? is : now), oid);
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

/** For people, in a line. */
export function describeReplaced(replaced: readonly Replaced[]): string {
  const [some, more] = [replaced.slice(0, 10), replaced.length - 10];
  const names = some.map(({ object }) => object).join(', ');
  return `what has these names is not what had them when the tables were dropped: ${names}${more > 0 ? ` and ${more} more` : ''}`;
}
