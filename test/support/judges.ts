import { expect } from 'chai';
import { nativePgDump, wasmPgDump } from './pg-dump.ts';
import type { TestDatabase } from './server.ts';

/** Schema and rows of a database, less our own schema, as each judge prints them. */
export interface Sight {
  /** pg_dump 18, in WASM: in the matrix, and where there is no other. */
  readonly text: string | undefined;
  /** A native pg_dump, where one is installed that reads the server. */
  readonly native: string | undefined;
}

const options = ['--exclude-schema=undrop'];

export async function look({ url }: TestDatabase): Promise<Sight> {
  const native = await nativePgDump(url, options);
  const both = native === undefined || process.env.UNDROP_TEST_JUDGES === 'both';
  return { native, text: both ? await wasmPgDump(url, options) : undefined };
}

/** Both judges see the same before and after; the order may have changed where pg_dump goes by OIDs. */
export function expectSame(before: Sight, after: Sight): void {
  for (const judge of ['text', 'native'] as const) {
    const was = before[judge] ?? '';
    const is = after[judge] ?? '';
    if (is !== was) expect(split(is), `more than the order differs (${judge})`).to.deep.equal(split(was));
  }
}

/** Without comments, settings, order, and the word for the owner of a view: there, majors of pg_dump differ. */
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
