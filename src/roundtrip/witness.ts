import { compareFacts, describeDifferences } from '../capture/compare.ts';
import type { Fact } from '../catalog/facts/facts.ts';
import { readRestored } from '../down/replay.ts';
import { inSession, type Session } from '../session/session.ts';
import type { Copy } from './copies.ts';
import { compareDumps, type Dump } from './dump.ts';
import { readInventory } from './inventory.ts';
import { listTables } from './tables.ts';

/** A whole database, as several readers see it that know nothing of one another. */
export interface Witness {
  readonly inventory: readonly string[];
  readonly facts: readonly Fact[];
  readonly rows: readonly string[];
  readonly statements: readonly string[];
}

/**
 * Reads names, rows, pg_dump where there is one, and the facts of everything: these take far longer than pg_dump, so
 * that a large database goes without, having been compared by facts table by table.
 */
export async function readWitness(copy: Copy, dump: Dump | undefined): Promise<Witness> {
  const read = await inSession(copy.knex, async (session) => {
    const tables = await listTables(session);
    const facts =
      dump === undefined || tables.length <= manyTables ? await readAllFacts(session, tables) : [];
    return { inventory: await readInventory(session), facts, rows: await readRows(session) };
  });
  return { ...read, statements: (await dump?.(copy.settings)) ?? [] };
}

export interface Comparison {
  readonly differences: readonly string[];
  readonly reordered: boolean;
}

export function compareWitnesses(before: Witness, after: Witness): Comparison {
  const facts = compareFacts(before.facts, after.facts);
  const statements = compareDumps(before.statements, after.statements);
  const differences = [
    ...missing(before.inventory, after.inventory).map((object) => `gone: ${object}`),
    ...missing(after.inventory, before.inventory).map((object) => `new: ${object}`),
    ...missing(before.rows, after.rows).map((line) => `rows were: ${line}`),
    ...missing(after.rows, before.rows).map((line) => `rows are: ${line}`),
    ...(facts.length > 0 ? describeDifferences(facts).split('\n') : []),
    ...statements.differences.map((text) => `pg_dump: ${text}`),
  ];
  return { differences, reordered: statements.reordered };
}

function missing(from: readonly string[], there: readonly string[]): string[] {
  const known = new Set(there);
  return from.filter((one) => !known.has(one));
}

const manyTables = 200;

async function readAllFacts(session: Session, tables: readonly string[]): Promise<Fact[]> {
  const { facts } = await readRestored(session, tables);
  return [...facts.own, ...facts.survivors];
}

// The order of rows is no part of a table. Sequences stand here as tables of one row: pg_dump leaves their state to
// the rows too.
const rowsSql = /* sql */ `
  select pg_catalog.format(
    $$select %L || ': ' || pg_catalog.count(*) || ' rows, ' || coalesce(pg_catalog.sum(
        pg_catalog.hashtextextended(%s::text, 0)::numeric), 0) as line
      from only %s as t$$,
    pg_catalog.format('%I.%I', n.nspname, c.relname),
    case c.relkind when 'S' then '(t.last_value, t.is_called)' else 't' end,
    pg_catalog.format('%I.%I', n.nspname, c.relname)) as sql
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'S') and c.relpersistence <> 't'
    and n.nspname <> all (array['pg_catalog', 'information_schema', 'pg_toast', 'undrop'])
  order by n.nspname collate "C", c.relname collate "C"`;

async function readRows(session: Session): Promise<string[]> {
  const queries = await session.read<{ sql: string }>(rowsSql);
  const lines: string[] = [];
  for (let start = 0; start < queries.length; start += 100) {
    const batch = queries.slice(start, start + 100).map(({ sql }) => sql);
    const rows = await session.read<{ line: string }>(batch.join('\nunion all\n'));
    lines.push(...rows.map(({ line }) => line));
  }
  return lines;
}
