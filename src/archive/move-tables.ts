import type { Statement } from '../capture/capture.ts';
import { sqlState, UndropError } from '../errors.ts';
import { identifier } from '../options/table-name.ts';
import type { Session } from '../session/session.ts';
import type { MovedSchema } from './moved-schemas.ts';
import { closeSchema } from './revoke-rights.ts';

/**
 * Moves tables into new schemas of the archive.
 *
 * @throws UndropError `insufficient-privilege` where the role may not create a schema
 */
export async function moveAway(session: Session, moved: readonly MovedSchema[]): Promise<void> {
  if (moved.length === 0) return;
  for (const { store } of moved) {
    await session.run(`create schema ${store}`).catch((error: unknown) => {
      throw sqlState(error) === '42501' ? mayNotMove(session, store, error) : error;
    });
    await closeSchema(session, store);
  }
  const statements = await readMoves(session, moved, 'away');
  await session.run(statements.map(({ sql }) => sql).join(';\n'));
}

/**
 * Returns the statements that restore what an entry holds: moves, and the statements for what was not moved; or all
 * statements, where the tables were dropped.
 */
export async function withMoves(
  session: Session,
  statements: readonly Statement[],
  moved: readonly MovedSchema[],
): Promise<Statement[]> {
  if (moved.length === 0) return [...statements];
  return [
    ...(await readMoves(session, moved, 'back')),
    ...statements.filter((statement) => statement.moved !== true),
  ];
}

const moveSql = /* sql */ `
  select m.kind, pg_catalog.format('%I.%I', m.schema, m.name) as identity,
    pg_catalog.format('alter %s %I.%I set schema %I', m.kind, m.source, m.name, m.target) as sql
  from pg_catalog.jsonb_to_recordset($1::jsonb)
    as m (position int, kind text, schema text, name text, source text, target text)
  order by m.position`;

async function readMoves(
  session: Session,
  moved: readonly MovedSchema[],
  way: 'away' | 'back',
): Promise<Statement[]> {
  const moves = moved.flatMap(({ schema, store, tables, statistics }) => {
    const [source, target] = way === 'away' ? [schema, store] : [store, schema];
    return [
      ...tables.map(({ name, foreign }) => ({ kind: foreign ? 'foreign table' : 'table', name })),
      ...statistics.map((name) => ({ kind: 'statistics', name })),
    ].map((object) => ({ ...object, schema, source, target }));
  });
  return session.read<Statement>(moveSql, [
    JSON.stringify(moves.map((move, position) => ({ position, ...move }))),
  ]);
}

// In a database that was restored from a dump, the tables have other OIDs, as the archive itself has.
const lostSql = /* sql */ `
  select pg_catalog.format('%I.%I', m.schema, m.name) as name
  from undrop.drops as d
  cross join lateral pg_catalog.jsonb_to_recordset($2::jsonb) as m (schema text, store text, name text, oid oid)
  where d.id = $1 and not exists (
    select from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = m.store and c.relname = m.name
      and (c.oid = m.oid or d.archive_oid <> 'undrop.drops'::pg_catalog.regclass))
  order by 1`;

/** @throws UndropError `archive-damaged` where a moved table of the entry is no longer where it was moved to */
export async function checkMoved(
  session: Session,
  { id, moved }: { readonly id: number; readonly moved: readonly MovedSchema[] },
): Promise<void> {
  if (moved.length === 0) return;
  const tables = moved.flatMap(({ schema, store, tables }) =>
    tables.map((table) => ({ schema, store, ...table })),
  );
  const lost = await session.read<{ name: string }>(lostSql, [id, JSON.stringify(tables)]);
  if (lost.length === 0) return;
  const names = lost.map(({ name }) => name).join(', ');
  throw new UndropError('archive-damaged', {
    subject: names,
    message: `The archive no longer holds ${names}.`,
    reason: `They were moved to ${moved.map(({ store }) => store).join(', ')}, and have been dropped, renamed, moved or replaced there.`,
    next: 'Restore the tables from a backup. The archive still holds their definition: undrop ddl prints it.',
  });
}

const remainingSql = /* sql */ `
  select case c.relkind when 'f' then 'foreign table' else 'table' end as kind,
    pg_catalog.format('%I.%I', n.nspname, c.relname) as name
  from pg_catalog.jsonb_to_recordset($1::jsonb) as m (store text, name text)
  join pg_catalog.pg_namespace as n on n.nspname = m.store
  join pg_catalog.pg_class as c on c.relnamespace = n.oid and c.relname = m.name
  where not exists (select from pg_catalog.pg_inherits as h where h.inhrelid = c.oid and c.relispartition)
  order by 2`;

/** Drops moved tables, with their rows, and their schemas. */
export async function dropMoved(session: Session, moved: readonly MovedSchema[]): Promise<void> {
  if (moved.length === 0) return;
  const tables = moved.flatMap(({ store, tables }) => tables.map(({ name }) => ({ store, name })));
  const remaining = await session.read<{ kind: string; name: string }>(remainingSql, [
    JSON.stringify(tables),
  ]);
  for (const kind of ['table', 'foreign table']) {
    const names = remaining.filter((table) => table.kind === kind).map(({ name }) => name);
    if (names.length > 0) await session.run(`drop ${kind} ${names.join(', ')}`);
  }
  await removeStores(session, moved);
}

/** Removes the schemas of the archive that tables were moved back from, unless somebody has created objects in them. */
export async function removeStores(session: Session, moved: readonly MovedSchema[]): Promise<void> {
  for (const { store } of moved) {
    await session.attemptRun(`drop schema if exists ${store}`).catch((error: unknown) => {
      // dependent_objects_still_exist
      if (sqlState(error) !== '2BP01') throw error;
    });
  }
}

function mayNotMove({ database, role }: Session, store: string, cause: unknown): UndropError {
  return new UndropError('insufficient-privilege', {
    subject: store,
    message: `The role ${role} may not create the schema ${store} in ${database}.`,
    reason: "With rows: 'move', tables are moved into a schema of the archive of their own.",
    next: `Ask the owner of the database to run: grant create on database ${identifier(database)} to ${identifier(role)}; or use rows: 'copy'.`,
    cause,
  });
}
