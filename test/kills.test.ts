import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import knexFactory, { type Knex } from 'knex';
import { undropConfig } from '../src/knex/config.ts';
import { readSettings } from '../src/knex/settings.ts';
import { readWitness } from '../src/roundtrip/witness.ts';
import { quietly } from '../src/say.ts';
import { type FaultProxy, startProxy } from './support/proxy.ts';
import { startServer, type TestDatabase, type TestServer } from './support/server.ts';

/** How many statements of each direction are struck, for each fault: all of them with UNDROP_KILLS=all. */
const perFault = process.env.UNDROP_KILLS === 'all' ? Number.POSITIVE_INFINITY : 4;

const source = new URL('../src/index.ts', import.meta.url).href;

const schema = `
  create table parent (id int primary key);
  create table a (id serial primary key, parent int references parent, note text default 'x');
  create table b (id int primary key, a int references a, check (id > 0));
  create index on b (a);
  create view seen as select a.id, b.id as b from a join b on b.a = a.id;
  create function touch() returns trigger language plpgsql as 'begin return new; end';
  create trigger touch before insert on a for each row execute function touch();
  alter table b enable row level security;
  create policy mine on b using (id > 1);
  comment on table a is 'kept with it';
  grant select on a to public;
  insert into parent select generate_series(1, 3);
  insert into a (parent) select generate_series(1, 3);
  insert into b select generate_series(1, 3), 1;`;

describe('a kill between any two statements', () => {
  let server: TestServer;
  let proxy: FaultProxy;
  let root: string;
  const states = { before: '', after: '' };
  const templates = { before: '', after: '' };

  before(async function () {
    this.timeout(120_000);
    // One of its own: some of the faults bring it down.
    server = await startServer({ native: (await import('./support/binaries.ts')).installedNative() });
    proxy = await startProxy(server.config('postgres'));
    root = mkdtempSync(join(tmpdir(), 'undrop-kills-'));
    mkdirSync(join(root, 'migrations'));
    symlinkSync(fileURLToPath(new URL('../node_modules', import.meta.url)), join(root, 'node_modules'));
    writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
    writeFileSync(
      join(root, 'migrations/1_drop.js'),
      `import { reversibleDrop } from ${JSON.stringify(source)};
      export const { up, down } = reversibleDrop({
        name: '1_drop', tables: ['a', 'b'], outsiders: 'cascade', rows: 'archive', schemaComment: 'Dropped a and b',
      });`,
    );
    const first = await server.createDatabase();
    await server.sql(first.name, schema);
    templates.before = first.name;
    states.before = await stateOf(first);
    const second = await server.createDatabase(undefined, { template: first.name });
    await using(second.url, (knex) => knex.migrate.latest());
    templates.after = second.name;
    states.after = await stateOf(second);
    expect(states.after).not.to.equal(states.before);
  });

  after(async () => {
    await proxy?.stop();
    await server?.stop();
    rmSync(root, { recursive: true, force: true });
  });

  async function using<T>(url: string, work: (knex: Knex) => Promise<T>): Promise<T> {
    const knex = knexFactory({ ...undropConfig({ root, connection: url }), log: { warn() {}, error() {} } });
    try {
      return await quietly(() => work(knex));
    } finally {
      await knex.destroy();
    }
  }

  async function stateOf({ url }: TestDatabase): Promise<string> {
    const knex = knexFactory({ client: 'pg', connection: url });
    try {
      const copy = { knex, settings: readSettings({ DATABASE_URL: url }), drop: async () => undefined };
      const [comment] = (await knex.raw(`select obj_description('public'::regnamespace) as text`)).rows;
      return JSON.stringify([await readWitness(copy, undefined), comment]);
    } finally {
      await knex.destroy();
    }
  }

  const directions = {
    latest: { from: 'before', to: 'after', run: (knex: Knex) => knex.migrate.latest() },
    rollback: { from: 'after', to: 'before', run: (knex: Knex) => knex.migrate.rollback() },
  } as const;

  const backends = (database: string, what: string) =>
    server.sql<{ pid: number }>(
      'postgres',
      `select pid, ${what} from pg_stat_activity where datname = '${database}' order by pid`,
    );

  const faults: Record<string, (database: string) => void | Promise<void>> = {
    'the connection is cut': () => proxy.cut(),
    'the backend is terminated': async (database) => {
      await backends(database, 'pg_terminate_backend(pid)');
    },
    'the server crashes': async (database) => {
      // The postmaster ends all the others, and recovers from the write-ahead log.
      for (const { pid } of await backends(database, 'null')) process.kill(pid, 'SIGKILL');
    },
  };

  /** The server may be in recovery. */
  async function answering(): Promise<void> {
    for (;;) {
      const up = await server.sql('postgres', 'select 1').then(
        () => true,
        () => false,
      );
      if (up) return;
    }
  }

  function through(url: string): string {
    const changed = new URL(url);
    changed.port = String(proxy.port);
    return String(changed);
  }

  for (const [name, direction] of Object.entries(directions)) {
    for (const [fault, strike] of Object.entries(faults)) {
      it(`of migrate:${name}, where ${fault}, leaves the state before or after, and the next run gets there`, async function () {
        this.timeout(perFault > 100 ? 3_600_000 : 120_000);
        const fresh = () => server.createDatabase(undefined, { template: templates[direction.from] });
        const counted = await fresh();
        proxy.arm();
        await using(through(counted.url), direction.run);
        const statements = proxy.statements();
        await server.dropDatabase(counted.name);

        const every = Math.max(1, Math.floor(statements / perFault));
        const offset = 1 + Math.floor(Math.random() * every);
        let kills = 0;
        for (let statement = offset; statement <= statements; statement += every) {
          const when = statement % 2 === 0 ? 'before' : 'after';
          const about = `statement ${statement} of ${statements}, ${when}`;
          const database = await fresh();
          let struck = false;
          proxy.arm({
            statement,
            when,
            fault: async () => {
              struck = true;
              await strike(database.name);
            },
          });
          await using(through(database.url), direction.run).catch(() => undefined);
          await answering();
          if (!struck) continue;
          kills++;
          const state = await stateOf(database);
          expect([states.before, states.after].indexOf(state), about).not.to.equal(-1);
          await using(database.url, direction.run);
          expect(await stateOf(database), about).to.equal(states[direction.to]);
          const ledger = await server.sql(database.name, 'select name from undrop.knex_migrations');
          expect(ledger.length, about).to.equal(direction.to === 'after' ? 1 : 0);
          await server.dropDatabase(database.name);
        }
        console.log(`      ${kills} kills at ${statements} statements`);
        expect(kills).to.be.greaterThan(0);
      });
    }
  }
});
