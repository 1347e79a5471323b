import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import type pg from 'pg';
import * as legacy from '../migrations/044_cleanup_legacy_tables.ts';
import * as optional from '../migrations/045_cleanup_optional_tables.ts';
import { seed } from '../seeds/01_turing.ts';
import { legacyTables, optionalTables } from '../seeds/turing/names.ts';
import { isUndropError } from '../src/errors.ts';
import { quietly } from '../src/text/log.ts';
import { type Runner, runner, withEnvironment } from './support/migrate.ts';
import type { TestDatabase } from './support/server.ts';
import { useServer } from './support/use-database.ts';

/** How often 044 and 045 run up and down: twenty times with UNDROP_LOAD=all. */
const rounds = process.env.UNDROP_LOAD === 'all' ? 20 : 2;
const clients = 8;
const dropped = [...legacyTables, ...optionalTables];

/** Measurements of the clients. Times are in milliseconds. */
interface Met {
  statements: number;
  waits: number[];
  /** Errors of statements that name a dropped table. */
  expected: number;
  victims: number;
  errors: string[];
}

describe('under load', function () {
  this.timeout(1_800_000);
  const server = useServer();
  let database: TestDatabase;
  let run: Runner;
  let referenced: string[];
  /** For each table, a column that is in no key. */
  const columns = new Map<string, string>();

  before(async () => {
    database = await server.createDatabase();
    run = runner(database.url);
    await seed(run.knex);
    const rows = await run.rows<{ name: string }>(`
      select distinct c.relname as name
      from pg_constraint as k join pg_class as c on c.oid = k.confrelid
      where k.conrelid = any (array['${dropped.join("','")}']::regclass[])
        and c.relname <> all (array['${dropped.join("','")}'])`);
    referenced = [...new Set([...rows.map(({ name }) => name), 'postings', 'workflow_runs'])].sort();
    for (const table of referenced) {
      const [column] = await run.rows<{ name: string }>(`
        select a.attname as name from pg_attribute as a
        where a.attrelid = '${table}'::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
          and not exists (select from pg_constraint as k where k.conrelid = a.attrelid and a.attnum = any (k.conkey))
        order by a.attnum limit 1`);
      columns.set(table, `"${column?.name}"`);
    }
  });

  after(async () => {
    await run?.end();
    if (database) await server.dropDatabase(database.name);
  });

  /** Runs eight clients that read and write, at times slowly, until the work is done. */
  async function meanwhile(work: () => Promise<void>): Promise<Met> {
    const met: Met = { statements: 0, waits: [], expected: 0, victims: 0, errors: [] };
    let going = true;
    const query = async (client: pg.Client, text: string) => {
      const start = performance.now();
      try {
        await client.query(text);
      } finally {
        met.statements++;
        met.waits.push(performance.now() - start);
      }
    };
    const any = <T>(list: readonly T[]) => list[Math.floor(Math.random() * list.length)] as T;
    // The update locks the row without changing it.
    const write = (table: string) => `
      update ${table} as t set ${columns.get(table)} = t.${columns.get(table)}
      where t.ctid = (select r.ctid from ${table} as r order by random() limit 1 for no key update skip locked)`;

    const act = async (client: pg.Client) => {
      const chance = Math.random();
      if (chance < 0.5)
        return query(client, `select count(*) from (select * from ${any(referenced)} limit 50) as r`);
      if (chance < 0.55) return query(client, `select count(*) from ${any(dropped)}`);
      await query(client, 'begin');
      // Always in the same order, as in a well-written application.
      for (const table of referenced.filter(() => Math.random() < 0.5)) await query(client, write(table));
      if (Math.random() < 0.03) await sleep(400);
      await query(client, 'commit');
    };

    const loop = async () => {
      const client = await server.client(database.name);
      try {
        while (going) {
          await act(client).catch(async (error: Error & { code?: string }) => {
            if (error.code === '40P01') met.victims++;
            if (error.code === '42P01' && dropped.some((name) => error.message.includes(name)))
              met.expected++;
            else met.errors.push(error.message);
            await client.query('rollback');
          });
          await sleep(Math.random() * 30);
        }
      } finally {
        await client.end();
      }
    };
    const loops = Array.from({ length: clients }, loop);
    try {
      await work();
    } finally {
      going = false;
      await Promise.all(loops);
    }
    return met;
  }

  const longest = ({ waits }: Met) => Math.round(waits.reduce((most, wait) => Math.max(most, wait), 0));
  const describeMet = (what: string, met: Met) =>
    console.log(
      `      ${what}: longest wait ${longest(met)} ms of ${met.statements} statements, ` +
        `${met.errors.length} errors, ${met.victims} deadlock victims, ${met.expected} named a dropped table`,
    );

  it(`goes up and down ${rounds} times: no client fails, is a deadlock victim, or waits long`, async () => {
    describeMet('nothing else going on', await meanwhile(() => sleep(rounds * 500)));

    const environment = { UNDROP_BACKUP: 'off', APPROVED_DROPS: optionalTables.join(',') };
    let done = 0;
    let again = 0;
    // If the locks could not be acquired, nothing has changed, and the migration is run again.
    const insist = async (work: () => Promise<void>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        if (!isUndropError(error) || error.code !== 'lock-timeout') throw error;
        again++;
        await insist(work);
      }
    };
    const ours = await withEnvironment(environment, () =>
      quietly(() =>
        meanwhile(async () => {
          for (; done < rounds; done++) {
            for (const migration of [legacy, optional]) await insist(() => run.up(migration));
            for (const migration of [optional, legacy]) await insist(() => run.down(migration));
          }
        }),
      ),
    );
    describeMet(`044 and 045, up and down, ${rounds} times, ${again} of them run again`, ours);

    let deadlocks = 0;
    const plain = await meanwhile(async () => {
      const client = await server.client(database.name);
      for (let round = 0; round < rounds; round++) {
        for (const tables of [legacyTables, optionalTables]) {
          await client.query('begin');
          for (const table of tables) {
            await client.query(`drop table if exists ${table} cascade`).catch(() => deadlocks++);
          }
          await client.query('rollback');
          await sleep(100);
        }
      }
      await client.end();
    });
    describeMet(`plain drop table … cascade, rolled back, ${rounds} times`, plain);
    if (deadlocks > 0) console.log(`      ${deadlocks} of these drops failed themselves`);

    expect(done).to.equal(rounds);
    expect(ours.errors).to.deep.equal([]);
    expect(ours.victims).to.equal(0);
    expect(ours.statements).to.be.greaterThan(rounds * 50);
  });
});
