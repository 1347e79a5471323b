import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { restoreDatabase } from '../src/backup/restore/restore-database.ts';
import { restoreTable } from '../src/backup/restore/restore-table.ts';
import { backup } from '../src/backup/take/take-backup.ts';
import { recordFacts } from '../src/baseline/record-facts.ts';
import { planDrop } from '../src/index.ts';
import { readSettings } from '../src/knex/settings.ts';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import { liveDdl } from '../src/script/ddl.ts';
import { writeDdl } from '../src/script/ddl-file.ts';
import { restoreDdl } from '../src/script/replay.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { inSession } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { verifyDatabase } from '../src/verify/verify.ts';
import { nativeOf, systemNative, testNative } from './support/binaries.ts';
import { readSomeCases } from './support/case-folders.ts';
import { expectSame, look, type Sight } from './support/judges.ts';
import { type Runner, runner } from './support/migrate.ts';
import { systemPgDump } from './support/pg-dump.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { startServer, type TestDatabase, type TestServer } from './support/server.ts';
import { askVersion } from './support/server-version.ts';
import { skip } from './support/skip.ts';

// A server is updated to another minor release and back, with the same data directory. Each reads what the other wrote.

const schema = `
  create type pair as (a int, b text);
  create table kept (id int primary key);
  create table gone (id serial primary key, kept_id int references kept, both_of pair, note text default 'x');
  alter table gone alter note set (n_distinct = -0.5), alter note set statistics 200, alter note set storage external;
  create table parts (day date, n int) partition by range (day);
  create table parts_1 partition of parts for values from ('2026-01-01') to ('2026-02-01');
  create view seen as select id, note from gone;
  create materialized view stored as select day, n from parts;
  alter materialized view stored alter n set statistics 50;
  insert into kept values (1);
  insert into gone (kept_id, both_of, note) values (1, '(1,x)', 'y');
  insert into parts values ('2026-01-05', 1)`;
const tables = ['gone', 'parts'];
const drop = { name: 'there and back', tables, dependents: 'cascade', rows: 'copy' } as const;

/** Steps on this release, on the other, and on this release again. */
interface Trial {
  title: string;
  steps: readonly [Step, Step, Step];
}
type Step = (run: Runner, database: TestDatabase, context: Mocha.Context) => Promise<unknown>;

describe('minor releases', () => {
  let server: TestServer;
  let folder = '';
  let minors: readonly string[];
  let versions: readonly string[];

  before(async function () {
    const here = testNative();
    server = await startServer({ native: here });
    const there = anotherOf(server.major, here);
    if (there === undefined) skip(this, `the system has no PostgreSQL ${server.major}`);
    minors = [here, there];
    versions = [server.version, await askVersion(there)];
    if (versions[0] === versions[1]) skip(this, `there is only ${server.version} here`);
    folder = mkdtempSync(join(tmpdir(), 'undrop-minors-'));
  });

  after(async () => {
    if (folder !== '') rmSync(folder, { recursive: true });
    await server?.stop();
  });

  const target = ({ url }: Pick<TestDatabase, 'url'>) => ({
    settings: readSettings({ DATABASE_URL: url }),
    embedded: undefined,
  });

  const trials: (() => Trial)[] = [
    ...readSomeCases()
      .filter(({ name, schema }) => name === 'grants--of-all-kinds' || !schema.includes(rolePrefix))
      .map(({ name, schema, tables, options }) => (): Trial => {
        const migration = reversibleDrop({ name, tables, ...options });
        let before: Sight;
        const up = (run: Runner) => quietly(() => run.up(migration));
        const down = async (run: Runner, database: TestDatabase) => {
          await quietly(() => run.down(migration));
          expectSame(before, await see(database));
        };
        return {
          title: `an archive of ${name}`,
          steps: [
            async (run, database) => {
              await run.knex.raw(schema);
              before = await see(database);
              await up(run);
            },
            async (run, database) => {
              await down(run, database);
              await up(run);
            },
            down,
          ],
        };
      }),

    () => {
      let before: Sight;
      let file: string;
      const write = async (run: Runner, database: TestDatabase) => {
        before = await see(database);
        const ddl = await quietly(() => inReadOnlySession(run.knex, (session) => liveDdl(session, tables)));
        file = await writeDdl(ddl, folder, true);
        await run.knex.raw('drop table gone, parts cascade');
      };
      const replay = async (run: Runner, database: TestDatabase) => {
        await inSession(run.knex, (session) => restoreDdl(session, file));
        expectSame(before, await see(database));
      };
      return {
        title: 'ddl',
        steps: [
          async (run, database) => {
            await run.knex.raw(schema);
            await run.knex.raw(
              'truncate gone, parts; alter sequence gone_id_seq restart; refresh materialized view stored',
            );
            await write(run, database);
          },
          async (run, database) => {
            await replay(run, database);
            await write(run, database);
          },
          replay,
        ],
      };
    },

    () => {
      const record = (run: Runner) => recordFacts(run.knex, 'a test');
      const compare = async (run: Runner) => {
        await thereAndBack(run);
        const options = { strict: true };
        const { checks } = await inReadOnlySession(run.knex, (session) => verifyDatabase(session, options));
        const { state, found } = checks.find(({ name }) => name === 'nothing else changed') ?? {};
        expect(state, found).to.equal('ok');
        expect(found).to.match(/^\d+ objects unchanged; since record /);
      };
      return {
        title: 'a record of the facts',
        steps: [
          async (run) => {
            await run.knex.raw(schema);
            await record(run);
          },
          async (run) => {
            await compare(run);
            await record(run);
          },
          compare,
        ],
      };
    },

    () => {
      let before: string[];
      const prints = async (run: Runner) => {
        const plan = await planDrop(run.knex, drop);
        return [plan.fingerprint, ...plan.tables.map(({ fingerprint }) => fingerprint)];
      };
      const compare = async (run: Runner) => {
        await thereAndBack(run);
        expect(await prints(run)).to.deep.equal(before);
      };
      return {
        title: 'the fingerprints of approvals',
        steps: [
          async (run) => {
            await run.knex.raw(schema);
            before = await prints(run);
          },
          compare,
          compare,
        ],
      };
    },

    () => {
      let file: string;
      let before: Sight;
      const take = async (run: Runner, database: TestDatabase) => {
        // As pg_restore does.
        await run.knex.raw('refresh materialized view stored');
        before = await see(database);
        ({ file } = await quietly(() => backup(run.knex, target(database), { folder, prove: 'restore' })));
      };
      const restore = async (run: Runner, database: TestDatabase) => {
        const copy = `${database.name}_copy`;
        const { differences } = await restoreDatabase(target(database), file, copy);
        expect(differences).to.deep.equal([]);
        expectSame(before, await see({ name: copy, url: server.url(copy) }));
        await server.dropDatabase(copy);
        await run.knex.raw('drop table gone cascade');
        await quietly(() => restoreTable(run.knex, target(database), file, 'gone'));
        await run.knex.raw('create view seen as select id, note from gone');
        expectSame(before, await see(database));
      };
      return {
        title: 'a backup',
        steps: [
          async (run, database, context) => {
            await run.knex.raw(schema);
            if ((await systemPgDump(server.major)) === undefined)
              skip(context, `no pg_dump of ${server.major} or later is installed`);
            await take(run, database);
          },
          async (run, database) => {
            await restore(run, database);
            await take(run, database);
          },
          restore,
        ],
      };
    },
  ];

  const databases = new Map<string, TestDatabase>();
  const made = trials.map((make) => make());
  for (const [stage, what] of [
    'data written by this server',
    'is read by the other release',
    'is read by this release again',
  ].entries()) {
    describe(what, () => {
      before(async () => {
        if (stage > 0) server.restart('fast', minors[stage % 2]);
        const [row] = await server.sql<{ server_version: string }>('postgres', 'show server_version');
        expect(row?.server_version).to.equal(versions[stage % 2]);
      });

      for (const { title, steps } of made) {
        it(title, async function () {
          const database = databases.get(title) ?? (await server.createDatabase());
          databases.set(title, database);
          const run = runner(database.url);
          try {
            await steps[stage]?.(run, database, this);
          } finally {
            await run.end();
          }
        });
      }
    });
  }
});

/** Drops and restores the tables, which recreates all columns. */
function thereAndBack(run: Runner): Promise<void> {
  const migration = reversibleDrop(drop);
  return quietly(() => run.up(migration).then(() => run.down(migration)));
}

/** Removes the line with the version of the server. */
async function see(database: TestDatabase): Promise<Sight> {
  const { text, native, behaviour } = await look(database);
  const line = /^-- Dumped from .*$/m;
  return { text: text?.replace(line, ''), native: native?.replace(line, ''), behaviour };
}

/** Binaries of the same major version from another source. */
function anotherOf(major: number, native: string): string | undefined {
  const system = systemNative(major);
  return native === system ? nativeOf(String(major)) : system;
}
