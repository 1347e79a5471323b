import knexLib, { type Knex } from 'knex';
import { type ErrorCode, isUndropError, UndropError } from '../../src/errors.ts';
import { onEmbedded } from './server.ts';

/** Something with `up` and `down`, as Knex has loaded it. */
interface Migration {
  up(knex: Knex): Promise<void>;
  down(knex: Knex): Promise<void>;
}

/** One Knex over one database, for migrations called as Knex calls them. */
export interface Runner {
  readonly knex: Knex;
  up(migration: Migration): Promise<void>;
  down(migration: Migration): Promise<void>;
  rows<Row = Record<string, unknown>>(sql: string): Promise<Row[]>;
  end(): Promise<void>;
}

export function runner(url: string): Runner {
  // PGlite takes one client at a time: an idle connection would keep the others out.
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

/** The refusal that the work ends with; fails where it ends otherwise. */
export async function refusalOf(work: Promise<unknown>, code: ErrorCode): Promise<UndropError> {
  try {
    await work;
  } catch (error) {
    if (isUndropError(error) && error.code === code) return error;
    throw error;
  }
  throw new Error(`${code} was expected, and nothing was refused`);
}

/** What the work is refused with, whichever it is. */
export async function refusal(promise: Promise<unknown>): Promise<UndropError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason) => reason,
  );
  if (error instanceof UndropError) return error;
  throw new Error(`No UndropError: ${error}`, { cause: error });
}

/** Runs the work with these variables set, and puts them back. */
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

/** What is written to standard error meanwhile. */
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
