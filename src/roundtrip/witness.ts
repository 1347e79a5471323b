import { compareFacts, describeDifferences } from '../capture/compare.ts';
import { inArchiveSql } from '../catalog/archive-schemas.ts';
import type { Fact } from '../catalog/facts/facts.ts';
import { readRestored } from '../down/replay.ts';
import { inSession, type Session } from '../session/session.ts';
import type { Copy } from './copies.ts';
import { compareDumps, type Dump } from './dump.ts';
import { readInventory } from './inventory.ts';
import { listTables } from './tables.ts';

/** The state of a whole database, read by several independent means. */
export interface Witness {
  readonly inventory: readonly string[];
  readonly facts: readonly Fact[];
  readonly rows: readonly string[];
  readonly statements: readonly string[];
}

/**
 * Reads identities, rows, the dump if there is a pg_dump, and all facts. Facts take far longer than pg_dump, so they are
 * left out for a large database with a dump; `down` has compared them table by table.
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

/** Compares two states of a database. */
export function compareWitnesses(before: Witness, after: Witness): Comparison {
  const facts = compareFacts(before.facts, after.facts);
  const statements = compareDumps(before.statements, after.statements);
  const differences = [
    ...missing(before.inventory, after.inventory).map((object) => `missing: ${object}`),
    ...missing(after.inventory, before.inventory).map((object) => `new: ${object}`),
    ...missing(before.rows, after.rows).map((line) => `rows before: ${line}`),
    ...missing(after.rows, before.rows).map((line) => `rows after: ${line}`),
    ...(facts.length > 0 ? describeDifferences(facts).split('\n') : []),
    ...statements.differences.map((text) => `pg_dump: ${text}`),
  ];
  return { differences, reordered: statements.reordered };
}

/** Returns the items of the first list that the second one lacks. */
function missing(from: readonly string[], second: readonly string[]): string[] {
  const known = new Set(second);
  return from.filter((item) => !known.has(item));
}

const manyTables = 200;

async function readAllFacts(session: Session, tables: readonly string[]): Promise<Fact[]> {
  const { facts } = await readRestored(session, tables);
  return [...facts.own, ...facts.survivors];
}

// The digest does not depend on the order of rows. Sequences are read like tables of one row, since pg_dump
// --schema-only leaves out their states.
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
    and n.nspname <> all (array['pg_catalog', 'information_schema', 'pg_toast']) and not ${inArchiveSql('n.nspname')}
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
