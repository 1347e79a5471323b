import { captureStatements, notReproducible, type Statement } from '../../capture/capture.ts';
import type { Prerequisite } from '../../capture/prerequisites.ts';
import { readPrerequisites } from '../../capture/prerequisites.ts';
import { type Closure, dependents, type Member, membersIn, readClosure } from '../../catalog/closure.ts';
import { type Fact, readFacts } from '../../catalog/facts/facts.ts';
import type { Piece } from '../../catalog/piece.ts';
import { UndropError } from '../../errors.ts';
import type { Session } from '../../session/session.ts';

/** A table of a backup, with what belongs to it, as the live database is to get it. */
export interface CapturedTable {
  /** Qualified and quoted. */
  readonly table: string;
  /** In replay order; those of the kind `rows` stand where the rows of the table that they name are due. */
  readonly statements: readonly Statement[];
  readonly facts: readonly Fact[];
  readonly prerequisites: readonly Prerequisite[];
  /** It, and its partitions or children. */
  readonly tables: readonly SourceTable[];
  /** What of the backup does not come with it. */
  readonly left: readonly { kind: string; identity: string }[];
}

export interface SourceTable {
  readonly schema: string;
  readonly name: string;
  /** Qualified and quoted. */
  readonly sql: string;
  /** Those that are not generated, quoted, in their order. */
  readonly columns: string;
}

/**
 * Reads one table from an unpacked backup: itself and all that a plain DROP TABLE of it would remove. What belongs to
 * others is left out, and so are its foreign keys to tables that the live database has not.
 *
 * @param isThere which of these tables, qualified and quoted, the live database has
 * @throws UndropError `missing-table`, `not-reproducible`
 */
export async function captureSource(
  session: Session,
  { schema, name }: { schema: string; name: string },
  isThere: (tables: readonly string[]) => Promise<ReadonlySet<string>>,
): Promise<CapturedTable> {
  const [found] = await session.read<{ oid: number; table: string }>(tableSql, [schema, name]);
  if (found === undefined) throw missing(`${schema}.${name}`);
  const whole = await readClosure(session, [found.oid]);
  const loose = await findLooseKeys(session, whole, isThere);
  const closure = { ...whole, members: whole.members.filter(({ own }) => own) };
  const own = without(closure, loose);
  const tables = await readTables(session, own);
  const { statements, obstacles } = await captureStatements(session, own, placesOfRows(own, tables));
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

/** Where the rows of each table are due among the statements that make it: kind `rows`, and nothing to run. */
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

export function readTables(session: Session, closure: Closure): Promise<SourceTable[]> {
  return session.read<SourceTable>(tablesSql, [[...membersIn(closure, 'pg_class').keys()]]);
}

const keysSql = /* sql */ `
  select k.oid::bigint as oid, pg_catalog.format('%I.%I', n.nspname, c.relname) as referenced
  from pg_catalog.pg_constraint as k
  join pg_catalog.pg_class as c on c.oid = k.confrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where k.oid = any ($1) and k.contype = 'f' and k.confrelid <> all ($2)
  order by k.oid`;

/** Its foreign keys to tables that are not there. */
async function findLooseKeys(
  session: Session,
  closure: Closure,
  isThere: (tables: readonly string[]) => Promise<ReadonlySet<string>>,
): Promise<Member[]> {
  const constraints = membersIn(closure, 'pg_constraint');
  const relations = [...membersIn(closure, 'pg_class').values()].filter(({ own }) => own);
  const keys = await session.read<{ oid: number; referenced: string }>(keysSql, [
    [...constraints.keys()],
    relations.map(({ objid }) => objid),
  ]);
  const there = await isThere(keys.map(({ referenced }) => referenced));
  return keys.flatMap(({ oid, referenced }) => {
    const member = constraints.get(oid);
    return member?.own && !there.has(referenced) ? [member] : [];
  });
}

/** The closure less some members and what is made along with them. */
function without(closure: Closure, members: readonly Member[]): Closure {
  const gone = new Set(members.map(({ key }) => key));
  for (let size = -1; size !== gone.size; ) {
    size = gone.size;
    for (const { key, partOf } of closure.members) if (partOf !== null && gone.has(partOf)) gone.add(key);
  }
  return { ...closure, members: closure.members.filter(({ key }) => !gone.has(key)) };
}

function missing(sql: string): UndropError {
  return new UndropError('missing-table', {
    subject: sql,
    message: `The backup has no table ${sql}.`,
    reason: 'It was not there when the backup was taken, or its name is another.',
    next: 'Correct the name; the manifest beside the backup lists its tables.',
  });
}
