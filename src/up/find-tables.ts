import { inArchiveSql } from '../catalog/archive-schemas.ts';
import { UndropError } from '../errors.ts';
import type { Options } from '../options/options.ts';
import type { Table } from '../options/table.ts';
import type { TableName } from '../options/table-name.ts';
import type { Session } from '../session/session.ts';
import { say } from '../text/log.ts';
import { approvedTables } from './approve.ts';

/**
 * Finds the tables to drop, and checks that they may be dropped.
 *
 * @throws UndropError `not-a-table`, `extension-member`, `insufficient-privilege`, `missing-table`,
 * `approval-missing`, each with all tables concerned
 */
export async function gate(session: Session, options: Options): Promise<Table[]> {
  const wanted = approvedTables(options);
  if (wanted.length === 0 && options.missing === 'refuse') throw noSchemas(session, options);
  const { tables, missing } = await findTables(session, wanted);
  if (missing.length === 0) return tables;
  await refuseClosed(session, missing);
  if (options.missing === 'refuse') throw missingTables(session, missing, tables.length === 0);
  for (const { written } of missing) say(`${options.name}: ${written} does not exist; skipped`);
  return tables;
}

interface Found {
  written: string;
  oid: number | null;
  sql: string | null;
  schema: string | null;
  relkind: string | null;
  system: boolean;
  temporary: boolean;
  extension: string | null;
  /** Whether this role is the owner, or a member of the owning role. */
  owned: boolean;
}

const findSql = /* sql */ `
  select w.written, c.oid::bigint as oid, c.schema, c.relkind,
    case when c.oid is not null then pg_catalog.format('%I.%I', c.schema, c.relname) end as sql,
    coalesce(c.schema in ('pg_catalog', 'information_schema', 'pg_toast') or ${inArchiveSql('c.schema')}, false) as system,
    coalesce(c.relpersistence = 't', false) as temporary,
    coalesce(pg_catalog.pg_has_role(c.relowner, 'usage'), true) as owned,
    (select e.extname
     from pg_catalog.pg_depend as d
     join pg_catalog.pg_extension as e on e.oid = d.refobjid
     where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.objsubid = 0
       and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.deptype = 'e') as extension
  from pg_catalog.jsonb_to_recordset($1::jsonb) as w (position int, written text, schema text, name text)
  left join lateral (
    select c.oid, c.relname, c.relkind, c.relpersistence, c.relowner, n.nspname as schema
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.relname = w.name
      and case when w.schema is null then n.nspname = any ($2) else n.nspname = w.schema end
    order by pg_catalog.array_position($2::text[], n.nspname::text)
    limit 1
  ) as c on true
  order by w.position`;

const kinds: Readonly<Record<string, string>> = {
  v: 'a view',
  m: 'a materialized view',
  i: 'an index',
  I: 'an index',
  S: 'a sequence',
  c: 'a type',
  f: 'a foreign table',
  t: 'a TOAST table',
};

/**
 * Resolves names to tables; `missing` are the names without a relation.
 *
 * @throws UndropError `not-a-table`, `extension-member`, `insufficient-privilege`
 */
export async function findTables(
  session: Session,
  wanted: readonly (TableName & { reason: string | undefined })[],
): Promise<{ tables: Table[]; missing: TableName[] }> {
  const names = wanted.map(({ written, schema, name }, position) => ({ position, written, schema, name }));
  const found = await session.read<Found>(findSql, [JSON.stringify(names), session.schemas]);
  refuseOthers(found);
  refuseForeign(session, found);
  const tables: Table[] = [];
  const missing: TableName[] = [];
  for (const [index, name] of wanted.entries()) {
    const row = found[index];
    if (row?.oid == null || row.sql === null || row.schema === null) missing.push(name);
    else
      tables.push({
        oid: row.oid,
        written: name.written,
        sql: row.sql,
        schema: row.schema,
        reason: name.reason,
      });
  }
  return { tables, missing };
}

function refuseOthers(found: readonly Found[]): void {
  const others = found.flatMap(({ written, relkind, system, temporary }) => {
    const kind = kinds[relkind ?? 'r'];
    if (kind !== undefined) return [`${written} is ${kind}`];
    if (system) return [`${written} belongs to the system`];
    return temporary ? [`${written} is temporary`] : [];
  });
  if (others.length > 0) {
    throw new UndropError('not-a-table', {
      subject: others.map((line) => line.split(' ')[0]).join(', '),
      message: 'Some names are not tables that can be dropped.',
      reason: others.join('\n'),
      next: 'Remove them from the migration.',
    });
  }
  const members = found.filter(({ extension }) => extension !== null);
  if (members.length > 0) {
    throw new UndropError('extension-member', {
      subject: members.map(({ written }) => written).join(', '),
      message: 'Some tables belong to extensions.',
      reason: members
        .map(({ written, extension }) => `${written} belongs to the extension ${extension}`)
        .join('\n'),
      next: 'Remove them from the migration; DROP EXTENSION drops them.',
    });
  }
}

function refuseForeign(session: Session, found: readonly Found[]): void {
  const foreign = found.filter(({ owned }) => !owned).map(({ written }) => written);
  if (foreign.length === 0) return;
  throw new UndropError('insufficient-privilege', {
    subject: foreign.join(', '),
    message: `The role ${session.role} does not own ${foreign.join(', ')}.`,
    reason: 'Only the owner, or a member of the owning role, can drop a table and recreate it as it was.',
    next: 'Run the migration as the owner.',
  });
}

const closedSql = /* sql */ `
  select pg_catalog.format('%I.%I', n.nspname, c.relname) as table, pg_catalog.quote_ident(n.nspname) as schema
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.relname = any ($1) and c.relkind in ('r', 'p') and not pg_catalog.has_schema_privilege(n.oid, 'usage')
  order by 1`;

/** Refuses tables in schemas on which the role lacks USAGE: a search path skips these schemas. */
async function refuseClosed(session: Session, missing: readonly TableName[]): Promise<void> {
  const names = missing.filter(({ schema }) => schema === undefined).map(({ name }) => name);
  const closed = await session.read<{ table: string; schema: string }>(closedSql, [names]);
  const [first] = closed;
  if (first === undefined) return;
  const schemas = [...new Set(closed.map(({ schema }) => schema))].join(', ');
  throw new UndropError('insufficient-privilege', {
    subject: schemas,
    message: `The role ${session.role} has no USAGE privilege on ${schemas}.`,
    reason: `Tables of these names exist there: ${closed.map(({ table }) => table).join(', ')}.`,
    next: `Run the migration as the owner, or ask the owner to run: grant usage on schema ${first.schema} to ${session.role}`,
  });
}

/** The error for a pattern or a function that names no table. */
function noSchemas(session: Session, { inSchemas }: Options): UndropError {
  const words = inSchemas?.words ?? '';
  return new UndropError('missing-table', {
    subject: words,
    message: `No schema of ${session.database} has tables to drop: ${words}.`,
    reason: 'No name of a schema matches: this may be the wrong database.',
    next: "Check the connection and the pattern, or set missing: 'skip' if the tables need not exist.",
  });
}

function missingTables(session: Session, missing: readonly TableName[], all: boolean): UndropError {
  const names = missing.map(({ written }) => written).join(', ');
  return new UndropError('missing-table', {
    subject: names,
    message: `${names} ${missing.length === 1 ? 'does' : 'do'} not exist in ${session.database}.`,
    reason: all
      ? 'None of the tables exists, and the archive has no entry for them: this may be the wrong database.'
      : `Searched in the schemas ${session.schemas.join(', ')}.`,
    next: all
      ? "Check the connection and the search path, or set missing: 'skip' if the tables need not exist."
      : "Correct the names, or set missing: 'skip' if the tables need not exist.",
  });
}
