import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPgDump, type PgDump } from '../backup/programs/find-pg-dump.ts';
import { runPgDump } from '../backup/programs/pg-dump.ts';
import { isUndropError } from '../errors.ts';
import type { Settings } from '../knex/settings.ts';

/** Says what pg_dump prints of a database without its rows: one statement after the other. */
export type Dump = (connection: Settings) => Promise<string[]>;

/**
 * pg_dump as a witness, or why there is none.
 */
export async function findDump(serverMajor: number): Promise<Dump | string> {
  let pgDump: PgDump;
  try {
    pgDump = await findPgDump(process.env, serverMajor);
    const { path, version, major } = pgDump;
    if (major < serverMajor) return `${path} is of version ${version}, the server of ${serverMajor}`;
  } catch (error) {
    if (isUndropError(error)) return error.message;
    throw error;
  }
  return async (connection) => {
    const folder = await mkdtemp(join(tmpdir(), 'undrop-roundtrip-'));
    try {
      const file = join(folder, 'schema.sql');
      const args = ['--no-password', '--schema-only', '--exclude-schema=undrop', `--file=${file}`];
      await runPgDump({ pgDump, connection, args, output: undefined });
      return dumpedStatements(await readFile(file, 'utf8'));
    } finally {
      await rm(folder, { recursive: true });
    }
  };
}

/**
 * The statements of a dump. What pg_dump has set before a statement, and not again since, is added to it, so that
 * statements mean the same in whatever order they stand.
 */
export function dumpedStatements(text: string): string[] {
  const settings = new Map<string, string>();
  // The key that these lines hold is made up anew each time.
  const lasting = text.replace(/^\\(un)?restrict .*$/gm, '');
  return lasting.split(/;\n/).flatMap((statement) => {
    const [, name, value] = /^\s*SET (default_\w+) = (.*)$/m.exec(statement) ?? [];
    if (name !== undefined && value !== undefined) {
      settings.set(name, value);
      return [];
    }
    if (!/^CREATE .*(TABLE|INDEX|VIEW) /m.test(statement)) return [statement.trim()];
    const set = [...settings].map((setting) => setting.join(' = '));
    return [[statement.trim(), ...set].join('\n-- ')];
  });
}

export interface DumpComparison {
  /** `-` before a statement that is gone, `+` before one that is new. */
  readonly differences: readonly string[];
  /** The same statements in another order. */
  readonly reordered: boolean;
}

export function compareDumps(before: readonly string[], after: readonly string[]): DumpComparison {
  const rest = new Map<string, number>();
  for (const statement of before) rest.set(statement, (rest.get(statement) ?? 0) + 1);
  const come = after.filter((statement) => {
    const left = rest.get(statement) ?? 0;
    rest.set(statement, left - 1);
    return left <= 0;
  });
  const gone = [...rest].flatMap(([statement, left]) => (left > 0 ? [statement] : []));
  const differences = [...gone.map((text) => `- ${text}`), ...come.map((text) => `+ ${text}`)];
  const reordered = differences.length === 0 && before.some((statement, index) => statement !== after[index]);
  return { differences, reordered };
}
