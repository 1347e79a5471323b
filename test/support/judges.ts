import { expect } from 'chai';
import pg from 'pg';
import { type Behaviour, compareBehaviour, readBehaviour } from './behaviour.ts';
import type { Runner } from './migrate.ts';
import { nativePgDump, wasmPgDump } from './pg-dump.ts';
import type { TestDatabase } from './server.ts';

/** Schema and rows of a database without the schema undrop, as each judge prints them. */
export interface Sight {
  /** By pg_dump 18 in WASM: in the matrix, and if there is no other pg_dump. */
  readonly text: string | undefined;
  /** By a native pg_dump, if one is installed that can read the server. */
  readonly native: string | undefined;
  /** By use of the objects. */
  readonly behaviour: Behaviour;
}

const options = ['--exclude-schema=undrop*'];

export async function look({ url }: TestDatabase): Promise<Sight> {
  const native = await nativePgDump(url, options);
  const both = native === undefined || process.env.UNDROP_TEST_JUDGES === 'both';
  return {
    native,
    text: both ? await wasmPgDump(url, options) : undefined,
    behaviour: await behaviourOf(url),
  };
}

async function behaviourOf(url: string): Promise<Behaviour> {
  const client = new pg.Client(url);
  await client.connect();
  try {
    return await readBehaviour(client);
  } finally {
    await client.end();
  }
}

/** Checks that both judges print the same before and after. The order may differ where pg_dump sorts by OID. */
export function expectSame(before: Sight, after: Sight): void {
  for (const judge of ['text', 'native'] as const) {
    const was = before[judge] ?? '';
    const is = after[judge] ?? '';
    if (is !== was) expect(split(is), `more than the order differs (${judge})`).to.deep.equal(split(was));
  }
  expect(compareBehaviour(before.behaviour, after.behaviour), 'behaviour').to.deep.equal([]);
}

/** Checks that the tables of the archive no longer exist, and that it has as many as are given. */
export async function expectDropped(run: Runner, tables: readonly string[]): Promise<void> {
  const remaining = await run.rows(
    `select to_regclass(t ->> 'sql') as name from undrop.drops, jsonb_array_elements(tables) t`,
  );
  expect(
    remaining.map(({ name }) => name),
    'tables that still exist',
  ).to.deep.equal(tables.map(() => null));
}

/** Removes comments, settings, order, and the keyword for the owner of a view, which depend on the major of pg_dump. */
export function statements(dump: string): string[] {
  const lines = dump.split('\n').filter((line) => !/^(--|SET |SELECT pg_catalog\.set_config|\\)/.test(line));
  return split(lines.join('\n'))
    .map((one) => one.replace(/^ALTER (?:VIEW|SEQUENCE|MATERIALIZED VIEW)(?= .* OWNER TO )/, 'ALTER TABLE'))
    .sort();
}

function split(dump: string): string[] {
  return dump
    .split(/;\n+/)
    .map((one) => one.trim())
    .sort();
}
