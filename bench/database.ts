import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import createKnex, { type Knex } from 'knex';
import { seed } from '../seeds/01_turing.ts';
import { findPgDump } from '../src/backup/programs/find-pg-dump.ts';
import { libpqVariables, readSettings } from '../src/knex/settings.ts';
import type { ReversibleDrop } from '../src/migration/reversible-drop.ts';
import { quietly } from '../src/text/log.ts';
import { startServer, type TestServer } from '../test/support/server.ts';
import { median } from './measure.ts';

/** A database on a new server, and PostgreSQL's client programs connected to it. */
export interface Bench {
  readonly server: TestServer;
  readonly knex: Knex;
  readonly url: string;
  pgDump(...args: string[]): Promise<string>;
  psql(...args: string[]): Promise<string>;
  end(): Promise<void>;
}

/**
 * Starts a server with the seeded turing database of 74 tables.
 *
 * @param settings the configuration parameters of the server
 */
export async function openTuring(settings: Readonly<Record<string, string>> = {}): Promise<Bench> {
  const server = await startServer({ settings });
  const { url } = await server.createDatabase();
  const knex = createKnex({ client: 'pg', connection: url, pool: { min: 1, max: 2 } });
  await seed(knex);
  const { path } = await findPgDump(process.env, server.major);
  const env = { ...process.env, ...libpqVariables(readSettings({ DATABASE_URL: url })) };
  const program = async (name: string, args: string[]): Promise<string> => {
    const done = promisify(execFile)(join(dirname(path), name), args, { env, maxBuffer: 2 ** 30 });
    return (await done).stdout;
  };
  return {
    server,
    knex,
    url,
    pgDump: (...args) => program('pg_dump', args),
    psql: (...args) => program('psql', ['-X', '-q', '-v', 'ON_ERROR_STOP=1', ...args]),
    end: async () => {
      await knex.destroy();
      await server.stop();
    },
  };
}

/** Returns `up` and `down` of a migration, each run in a transaction as Knex does. */
export function transacting(knex: Knex, migration: ReversibleDrop) {
  const run = (direction: 'up' | 'down') => () =>
    quietly(() => knex.transaction((transaction) => migration[direction](transaction)));
  return { up: run('up'), down: run('down') };
}

/**
 * Returns the minimum work of a rehearsal: drops the tables, recreates them with the statements of the newest entry, and
 * rolls back, on the connection that `up` uses.
 */
export async function dropAndReplay(knex: Knex, tables: readonly string[]): Promise<() => Promise<void>> {
  const { rows } = await knex.raw(
    'select sql from undrop.statements where drop_id = (select max(id) from undrop.drops) order by position',
  );
  const ddl = rows.map(({ sql }: { sql: string }) => sql).join(';\n');
  return async () => {
    const transaction = await knex.transaction();
    await transaction.raw(`drop table ${tables.join(', ')}`);
    // Knex takes an unescaped question mark for a placeholder.
    await transaction.raw(ddl.replaceAll('?', '\\?'));
    await transaction.rollback();
  };
}

/** Returns the median processor time, in milliseconds, that the server process of the connection needs for a run. */
export async function serverTime(
  knex: Knex,
  run: () => Promise<unknown>,
  after: () => Promise<unknown>,
): Promise<number> {
  const { rows } = await knex.raw('select pg_catalog.pg_backend_pid() as pid');
  // https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat
  const spent = () => Number(readFileSync(`/proc/${rows[0].pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
  const times: number[] = [];
  for (let turn = 0; turn < 25; turn++) {
    const start = spent();
    await run();
    times.push(spent() - start);
    await after();
  }
  return median(times);
}

/**
 * Adds tables with a key, an index and a foreign key each, up to a total number, and runs VACUUM ANALYZE. Uses a new
 * connection, since a session that has accessed 10,000 tables is slower at the end of each savepoint.
 */
export async function addTables({ url }: Bench, upTo: number): Promise<void> {
  const knex = createKnex({ client: 'pg', connection: url });
  try {
    const { rows } = await knex.raw(
      `select count(*)::int as count from pg_tables where schemaname = 'public'`,
    );
    for (let number = rows[0].count; number < upTo; number += 200) {
      const count = Math.min(200, upTo - number);
      await knex.raw(`
        do $$ begin
          for i in ${number} .. ${number + count - 1} loop
            execute format('create table filler_%s (id serial primary key, name text not null default %L,
              other_id int, check (id > 0))', i, 'x');
            execute format('alter table filler_%s add foreign key (other_id) references filler_%s', i, i - (i - ${number}) % 10);
            execute format('create index on filler_%s (name)', i);
          end loop;
        end $$`);
    }
    await knex.raw('vacuum analyze');
  } finally {
    await knex.destroy();
  }
}
