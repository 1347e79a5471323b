import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findPgDump, type PgDump } from '../backup/programs/find-pg-dump.ts';
import { runPgDump } from '../backup/programs/pg-dump.ts';
import { isUndropError } from '../errors.ts';
import type { Settings } from '../knex/settings.ts';

/** Dumps the schema of a database with pg_dump. Returns its statements in order. */
export type Dump = (connection: Settings) => Promise<string[]>;

/** Finds a pg_dump for the server. Returns a function that runs it, or the reason why there is none. */
export async function findDump(serverMajor: number): Promise<Dump | string> {
  let pgDump: PgDump;
  try {
    pgDump = await findPgDump(process.env, serverMajor);
    const { path, version, major } = pgDump;
    if (major < serverMajor) return `${path} has version ${version}, the server has version ${serverMajor}`;
  } catch (error) {
    if (isUndropError(error)) return error.message;
    throw error;
  }
  return async (connection) => {
    const folder = await mkdtemp(join(tmpdir(), 'undrop-roundtrip-'));
    try {
      const file = join(folder, 'schema.sql');
      const args = ['--no-password', '--schema-only', '--exclude-schema=undrop*', `--file=${file}`];
      await runPgDump({ pgDump, connection, args, output: undefined });
      return dumpedStatements(await readFile(file, 'utf8'));
    } finally {
      await rm(folder, { recursive: true });
    }
  };
}

/**
 * Splits a dump into statements. Appends the current values of `default_…` settings to each statement that depends on them,
 * so that the statements can be compared in any order.
 */
export function dumpedStatements(text: string): string[] {
  const settings = new Map<string, string>();
  // These lines have a key that is random in each dump.
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
  /** Missing statements with the prefix `-`, new ones with `+`. */
  readonly differences: readonly string[];
  /** Whether the statements are the same in another order. */
  readonly reordered: boolean;
}

/** Compares the statements of two dumps as multisets. */
export function compareDumps(before: readonly string[], after: readonly string[]): DumpComparison {
  const rest = new Map<string, number>();
  for (const statement of before) rest.set(statement, (rest.get(statement) ?? 0) + 1);
  const added = after.filter((statement) => {
    const left = rest.get(statement) ?? 0;
    rest.set(statement, left - 1);
    return left <= 0;
  });
  const missing = [...rest].flatMap(([statement, left]) => (left > 0 ? [statement] : []));
  const differences = [...missing.map((text) => `- ${text}`), ...added.map((text) => `+ ${text}`)];
  const reordered = differences.length === 0 && before.some((statement, index) => statement !== after[index]);
  return { differences, reordered };
}
