import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import knexFactory, { type Knex } from 'knex';
import { readSettings } from '../src/knex/settings.ts';
import { undropConfig } from '../src/migration/knex-config.ts';
import { readWitness } from '../src/roundtrip/witness.ts';
import { quietly } from '../src/text/log.ts';
import { testNative } from './support/binaries.ts';
import { type FaultProxy, startProxy } from './support/proxy.ts';
import { startServer, type TestDatabase, type TestServer } from './support/server.ts';
import { makeSmallProject, packageUrl, type SmallProject, type Started } from './support/small-project.ts';
import { until } from './support/until.ts';

/**
 * The number of statements of each direction at which each fault is injected: UNDROP_KILLS, or all of them with
 * UNDROP_KILLS=all. For every ten of these, one more is injected at a random time.
 */
const { UNDROP_KILLS: asked = '1' } = process.env;
const perFault = asked === 'all' ? Number.POSITIVE_INFINITY : Number(asked);

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

const directions = {
  latest: { from: 'before', to: 'after' },
  rollback: { from: 'after', to: 'before' },
} as const;
type Direction = keyof typeof directions;

/** A fault, and where the client runs: in a separate process if the fault kills it. */
interface Fault {
  readonly signal?: 'SIGKILL' | 'SIGTERM' | 'SIGINT';
  strike(database: string, client: Started | undefined): unknown;
}

interface Total {
  readonly points: number;
  kills: number;
  before: number;
  after: number;
}

/** Returns false if the process has ended by itself. */
function crash(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

for (const rows of ['copy', 'move'] as const)
  describe(`a kill between any two statements, rows: '${rows}'`, function () {
    this.timeout(perFault > 1 ? 3_600_000 : 600_000);
    let server: TestServer;
    let proxy: FaultProxy;
    let project: SmallProject;
    const states = { before: '', after: '' };
    const templates = { before: '', after: '' };
    const totals: Record<string, Total> = {};

    before(async () => {
      // A separate server, which some faults crash. Committed data must not be lost then.
      server = await startServer({ native: testNative(), settings: { synchronous_commit: 'on' } });
      proxy = await startProxy(server.config('postgres'));
      project = makeSmallProject();
      project.migration(
        '1_drop.js',
        `import { reversibleDrop } from ${JSON.stringify(packageUrl)};
      export const { up, down } = reversibleDrop({
        name: '1_drop', tables: ['a', 'b'], dependents: 'cascade', rows: '${rows}', schemaComment: 'Dropped a and b',
      });`,
      );
      const first = await server.createDatabase();
      await server.sql(first.name, schema);
      templates.before = first.name;
      states.before = await stateOf(first);
      const second = await server.createDatabase(undefined, { template: first.name });
      await run('latest', second.url);
      templates.after = second.name;
      states.after = await stateOf(second);
      expect(states.after).not.to.equal(states.before);
    });

    after(async () => {
      await proxy?.stop();
      await server?.stop();
      project?.remove();
      for (const [what, { points, kills, before, after }] of Object.entries(totals))
        console.log(
          `      ${what}: ${kills} kills at ${points} statements, ${before} before, ${after} after`,
        );
      const all = Object.values(totals).reduce((sum, { kills }) => sum + kills, 0);
      console.log(`      ${all} kills in all`);
    });

    /** Runs in this process, which the fault does not kill. */
    async function run(direction: Direction, url: string): Promise<void> {
      const config = undropConfig({ root: project.folder, connection: url });
      const knex: Knex = knexFactory({ ...config, log: { warn() {}, error() {} } });
      try {
        await quietly(() => knex.migrate[direction]());
      } finally {
        await knex.destroy();
      }
    }

    async function stateOf({ url }: TestDatabase): Promise<string> {
      const knex = knexFactory({ client: 'pg', connection: url });
      try {
        const copy = { knex, settings: readSettings({ DATABASE_URL: url }), drop: async () => undefined };
        const [comment] = (await knex.raw(`select obj_description('public'::regnamespace) as text`)).rows;
        const { facts, ...seen } = await readWitness(copy, undefined);
        // The facts of one object have no order.
        return JSON.stringify([seen, facts.map((fact) => JSON.stringify(fact)).sort(), comment]);
      } finally {
        await knex.destroy();
      }
    }

    const end = (signal: NonNullable<Fault['signal']>): Fault => ({
      signal,
      strike: async (_, client) => {
        client?.child.kill(signal);
        await client?.ended;
      },
    });

    const backends = (database: string, what: string) =>
      server.sql<{ pid: number }>(
        'postgres',
        `select pid, ${what} from pg_stat_activity where datname = '${database}' order by pid`,
      );

    const faults: Record<string, Fault> = {
      'the client gets SIGKILL': end('SIGKILL'),
      'the client gets SIGTERM': end('SIGTERM'),
      'the client gets SIGINT': end('SIGINT'),
      'the connection is cut': { strike: () => proxy.cut() },
      'the backend is terminated': { strike: (database) => backends(database, 'pg_terminate_backend(pid)') },
      'a backend crashes': {
        strike: async (database) => {
          const another = await server.client('postgres');
          const killed = (await backends(database, 'null')).filter(({ pid }) => crash(pid));
          // The postmaster terminates all sessions and starts crash recovery, after a short delay. A backend that had ended
          // by itself is not listed, and then there is no recovery.
          const listed = `select from pg_stat_activity where pid = any ('{${killed.map(({ pid }) => pid)}}')`;
          await until(() =>
            another.query(listed).then(
              ({ rowCount }) => rowCount === 0,
              () => true,
            ),
          );
          await another.end();
        },
      },
      'the server is shut down at once': { strike: () => server.restart('immediate') },
    };

    /** Waits for the server, which may be in recovery, and for sessions in the database: they may still commit. */
    async function settled(database = 'none'): Promise<void> {
      await until(() =>
        backends(database, 'null').then(
          (left) => left.length === 0,
          () => false,
        ),
      );
    }

    function through(url: string): string {
      const changed = new URL(url);
      changed.port = String(proxy.port);
      return String(changed);
    }

    interface Point {
      readonly statement: number;
      readonly when: 'before' | 'after';
      /** The delay after the statement, in milliseconds. Default: none. */
      readonly later?: number;
    }

    /** Injects a fault into one run, checks the state, and completes the next run. False if the run was over already. */
    async function kill(
      direction: Direction,
      fault: Fault,
      point: Point,
      about: string,
      total: Total,
    ): Promise<boolean> {
      const { from, to } = directions[direction];
      const database = await server.createDatabase(undefined, { template: templates[from] });
      let client: Started | undefined;
      let over = false;
      let struck = false;
      const strike = async () => {
        if (over) return;
        struck = true;
        await fault.strike(database.name, client);
      };
      let later: Promise<void> = Promise.resolve();
      proxy.arm({
        ...point,
        fault: () => {
          if (point.later === undefined) return strike();
          later = sleep(point.later).then(strike);
        },
      });
      if (fault.signal === undefined) await run(direction, through(database.url)).catch(() => undefined);
      else {
        client = project.knex(`migrate:${direction}`, through(database.url));
        await client.ended;
      }
      over = true;
      await later;
      await settled(database.name);
      if (struck) {
        const state = await stateOf(database);
        expect([states.before, states.after].indexOf(state), about).not.to.equal(-1);
        const isDone = state === states[to];
        total.kills++;
        total[isDone ? 'after' : 'before']++;
        if (client !== undefined) {
          const code = client.child.exitCode ?? client.child.signalCode;
          // A run that was over before the signal arrived ends normally.
          const ends = [fault.signal, ...(isDone ? [0] : [])];
          expect(ends, `${about}\n${client.said()}`).to.include(code);
        }
        await run(direction, database.url);
        expect(await stateOf(database), about).to.equal(states[to]);
        const ledger = await server.sql(database.name, 'select name from undrop.knex_migrations');
        expect(ledger.length, about).to.equal(to === 'after' ? 1 : 0);
      }
      await server.dropDatabase(database.name);
      return struck;
    }

    /** The statements and the duration in milliseconds of a run without a fault. */
    async function measure(direction: Direction, fault: Fault): Promise<{ statements: number; ms: number }> {
      const { from } = directions[direction];
      const { name, url } = await server.createDatabase(undefined, { template: templates[from] });
      let start = 0;
      proxy.arm({
        statement: 1,
        when: 'before',
        fault: () => {
          start = performance.now();
        },
      });
      if (fault.signal === undefined) await run(direction, through(url));
      else expect(await project.knex(`migrate:${direction}`, through(url)).ended).to.equal(0);
      const measured = { statements: proxy.statements(), ms: performance.now() - start };
      await server.dropDatabase(name);
      return measured;
    }

    const measured = new Map<string, Promise<{ statements: number; ms: number }>>();

    for (const direction of Object.keys(directions) as Direction[]) {
      for (const [name, fault] of Object.entries(faults)) {
        it(`of migrate:${direction}, where ${name}, leaves the state before or after, and the next run completes`, async () => {
          await settled();
          const kind = `${direction} ${fault.signal === undefined ? 'here' : 'in a process'}`;
          if (!measured.has(kind)) measured.set(kind, measure(direction, fault));
          const { statements, ms } = (await measured.get(kind)) as { statements: number; ms: number };
          const total = { points: statements, kills: 0, before: 0, after: 0 };
          totals[`migrate:${direction}, ${name}`] = total;

          const every = Math.max(1, statements / perFault);
          const points: Point[] = [];
          for (let at = Math.random() * every; at < statements; at += every)
            points.push({
              statement: Math.floor(at) + 1,
              when: points.length % 2 === 0 ? 'before' : 'after',
            });
          for (let random = points.length / 10; random >= 1; random--)
            points.push({ statement: 1, when: 'before', later: Math.random() * ms });
          for (const point of points) {
            const when = point.later === undefined ? point.when : `${Math.round(point.later)} ms later`;
            // Some runs need fewer statements than others, such as those that try again to get a lock.
            for (let statement = point.statement; statement > 0; statement--) {
              const about = `${direction}, ${name}, statement ${statement} of ${statements}, ${when}`;
              const struck = await kill(direction, fault, { ...point, statement }, about, total);
              if (struck || point.later !== undefined) break;
            }
          }
          expect(total.kills).to.be.greaterThan(0);
        });
      }
    }
  });
