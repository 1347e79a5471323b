import { captureStatements, notReproducible, type Statement } from '../../capture/capture.ts';
import type { Prerequisite } from '../../capture/prerequisites.ts';
import { readPrerequisites } from '../../capture/prerequisites.ts';
import { type Closure, dependents, type Member, membersIn, readClosure } from '../../catalog/closure.ts';
import { type Fact, readFacts } from '../../catalog/facts/facts.ts';
import type { Piece } from '../../catalog/piece.ts';
import { UndropError } from '../../errors.ts';
import type { Session } from '../../session/session.ts';

/** A table that was captured from an unpacked backup, with the objects that belong to it. */
export interface CapturedTable {
  /** The qualified name, quoted where necessary. */
  readonly table: string;
  /** In the order of replay. A statement of the kind `rows` marks where the rows of a table are to be copied. */
  readonly statements: readonly Statement[];
  readonly facts: readonly Fact[];
  readonly prerequisites: readonly Prerequisite[];
  /** The table and its partitions or children. */
  readonly tables: readonly SourceTable[];
  /** Objects of the backup that are not restored. */
  readonly left: readonly { kind: string; identity: string }[];
}

export interface SourceTable {
  readonly schema: string;
  readonly name: string;
  /** The qualified name, quoted where necessary. */
  readonly sql: string;
  /** The quoted names of the columns that are not generated, in order, separated by commas. */
  readonly columns: string;
}

/**
 * Captures one table from an unpacked backup: all objects that a DROP TABLE without CASCADE would remove. Leaves out
 * dependent objects, and foreign keys to tables that do not exist in the live database.
 *
 * @param findExisting returns which of these tables exist in the live database; names are qualified and quoted
 * @throws UndropError `missing-table`, `not-reproducible`
 */
export async function captureSource(
  session: Session,
  { schema, name }: { schema: string; name: string },
  findExisting: (tables: readonly string[]) => Promise<ReadonlySet<string>>,
): Promise<CapturedTable> {
  const [found] = await session.read<{ oid: number; table: string }>(tableSql, [schema, name]);
  if (found === undefined) throw missing(`${schema}.${name}`);
  const whole = await readClosure(session, [found.oid]);
  const loose = await findLooseKeys(session, whole, findExisting);
  const closure = { ...whole, members: whole.members.filter(({ own }) => own) };
  const own = without(closure, loose);
  const tables = await readTables(session, own);
  const { statements, obstacles } = await captureStatements(session, own, {
    rows: placesOfRows(own, tables),
  });
  if (obstacles.length > 0) throw notReproducible(obstacles);
  return {
    table: found.table,
    statements,
    facts: (await readFacts(session, own)).own,
    prerequisites: await readPrerequisites(session, own),
    tables,
    left: [...dependents(whole), ...loose].map(({ kind, identity }) => ({ kind, identity })),
  };
}

const tableSql = /* sql */ `
  select c.oid::bigint as oid, pg_catalog.format('%I.%I', n.nspname, c.relname) as table
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p')`;

/** Returns pieces of the kind `rows`, without SQL, that mark where the rows of each table are to be copied. */
export function placesOfRows(closure: Closure, tables: readonly SourceTable[]): Piece[] {
  const members = [...membersIn(closure, 'pg_class').values()];
  return tables.flatMap(({ sql }) => {
    const member = members.find(({ identity }) => identity === sql);
    if (member === undefined) return [];
    return [{ phase: 'rows', kind: 'rows', identity: sql, creates: [], needs: [member.key], sql: [''] }];
  });
}

const tablesSql = /* sql */ `
  select n.nspname as schema, c.relname as name, pg_catalog.format('%I.%I', n.nspname, c.relname) as sql,
    coalesce((
      select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by a.attnum)
      from pg_catalog.pg_attribute as a
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''), '') as columns
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.oid = any ($1) and c.relkind = 'r'
  order by n.nspname, c.relname`;

/** Reads the tables of a closure that have rows of their own. */
export function readTables(session: Session, closure: Closure): Promise<SourceTable[]> {
  return session.read<SourceTable>(tablesSql, [[...membersIn(closure, 'pg_class').keys()]]);
}

const keysSql = /* sql */ `
  select k.oid::bigint as oid, pg_catalog.format('%I.%I', n.nspname, c.relname) as referenced
  from pg_catalog.pg_constraint as k
  join pg_catalog.pg_class as c on c.oid = k.confrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where k.oid = any ($1) and k.contype = 'f' and k.confrelid not in (select pg_catalog.unnest($2::oid[]))
  order by k.oid`;

/** Returns the foreign keys of the closure to tables that do not exist in the live database. */
async function findLooseKeys(
  session: Session,
  closure: Closure,
  findExisting: (tables: readonly string[]) => Promise<ReadonlySet<string>>,
): Promise<Member[]> {
  const constraints = membersIn(closure, 'pg_constraint');
  const relations = [...membersIn(closure, 'pg_class').values()].filter(({ own }) => own);
  const keys = await session.read<{ oid: number; referenced: string }>(keysSql, [
    [...constraints.keys()],
    relations.map(({ objid }) => objid),
  ]);
  const existing = await findExisting(keys.map(({ referenced }) => referenced));
  return keys.flatMap(({ oid, referenced }) => {
    const member = constraints.get(oid);
    return member?.own && !existing.has(referenced) ? [member] : [];
  });
}

/** Returns the closure without some members and the members that are part of them. */
function without(closure: Closure, members: readonly Member[]): Closure {
  const excluded = new Set(members.map(({ key }) => key));
  for (let size = -1; size !== excluded.size; ) {
    size = excluded.size;
    for (const { key, partOf } of closure.members)
      if (partOf !== null && excluded.has(partOf)) excluded.add(key);
  }
  return { ...closure, members: closure.members.filter(({ key }) => !excluded.has(key)) };
}

function missing(sql: string): UndropError {
  return new UndropError('missing-table', {
    subject: sql,
    message: `The backup has no table ${sql}.`,
    reason: 'The table did not exist when the backup was taken, or the name is wrong.',
    next: 'Correct the name; the manifest beside the backup lists its tables.',
  });
}
