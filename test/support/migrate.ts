import knexLib, { type Knex } from 'knex';
import { type ErrorCode, isUndropError, UndropError } from '../../src/errors.ts';
import { onEmbedded } from './server.ts';

/** A migration with `up` and `down`, as Knex loads it. */
interface Migration {
  up(knex: Knex): Promise<void>;
  down(knex: Knex): Promise<void>;
}

/** A Knex for one database, which calls migrations as Knex does. */
export interface Runner {
  readonly knex: Knex;
  up(migration: Migration): Promise<void>;
  down(migration: Migration): Promise<void>;
  rows<Row = Record<string, unknown>>(sql: string): Promise<Row[]>;
  end(): Promise<void>;
}

export function runner(url: string): Runner {
  // PGlite accepts one client at a time: an idle connection would block the others.
  const idle = onEmbedded ? { idleTimeoutMillis: 1, reapIntervalMillis: 1 } : {};
  const knex = knexLib({ client: 'pg', connection: url, pool: { min: 0, max: 2, ...idle } });
  return {
    knex,
    up: (migration) => knex.transaction((transaction) => migration.up(transaction)),
    down: (migration) => knex.transaction((transaction) => migration.down(transaction)),
    rows: async (sql) => (await knex.raw(sql)).rows,
    end: () => knex.destroy(),
  };
}

/** Returns the error with this code that the work fails with; throws if it succeeds or fails differently. */
export async function refusalOf(work: Promise<unknown>, code: ErrorCode): Promise<UndropError> {
  try {
    await work;
  } catch (error) {
    if (isUndropError(error) && error.code === code) return error;
    throw error;
  }
  throw new Error(`Expected ${code}, but the work succeeded.`);
}

/** Returns the UndropError that the work fails with, whatever its code. */
export async function refusal(promise: Promise<unknown>): Promise<UndropError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  if (error instanceof UndropError) return error;
  throw new Error(`Not an UndropError: ${error}`, { cause: error });
}

/** Does work with these environment variables, and resets them. */
export async function withEnvironment<T>(variables: NodeJS.ProcessEnv, work: () => Promise<T>): Promise<T> {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  try {
    return await work();
  } finally {
    for (const key of Object.keys(variables)) {
      if (before[key] === undefined) delete process.env[key];
      else process.env[key] = before[key];
    }
  }
}

/** Returns what is written to standard error during the work. */
export async function said(work: () => Promise<unknown>): Promise<string> {
  const { write } = process.stderr;
  let text = '';
  process.stderr.write = ((chunk: string) => {
    text += chunk;
    return true;
  }) as typeof write;
  try {
    await work();
  } finally {
    process.stderr.write = write;
  }
  return text;
}
