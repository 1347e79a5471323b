import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import knexLib, { type Knex } from 'knex';
import { readEntries } from '../src/archive/entries.ts';
import { pruneArchive } from '../src/archive/prune.ts';
import { formats } from '../src/archive/schema.ts';
import { headSql } from '../src/archive/seal.ts';
import { migrationsIn } from '../src/migration/migrations.ts';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import type { DropOptions } from '../src/options/options.ts';
import { preflight } from '../src/preflight/preflight.ts';
import { settleEntries } from '../src/restore/mark-restored.ts';
import { restoreArchive } from '../src/restore/restore.ts';
import { archivedDdl } from '../src/script/ddl.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { inSession } from '../src/session/session.ts';
import { readStatus } from '../src/status/status.ts';
import { type Runner, refusalOf, runner, withEnvironment } from './support/migrate.ts';
import { onEmbedded, type TestDatabase } from './support/server.ts';
import { skip } from './support/skip.ts';
import { makeStockProject, type StockProject } from './support/stock-project.ts';
import { useDatabase, useServer } from './support/use-database.ts';

/** The migrations of a project: options of `reversibleDrop`, by the names that Knex records. */
type Project = Readonly<Record<string, DropOptions>>;

function sourceOf(project: Project): Knex.MigrationSource<string> {
  return {
    getMigrations: async () => Object.keys(project),
    getMigrationName: (name) => name,
    getMigration: async (name) => reversibleDrop(project[name] as DropOptions),
  };
}

describe('entries of the same name', () => {
  const server = useServer();
  const opened: Knex[] = [];

  afterEach(async () => {
    for (const knex of opened.splice(0)) await knex.destroy();
  });

  const { database, run } = useDatabase(server);

  beforeEach(async () => {
    for (const tenant of ['one', 'two']) {
      await run.knex.raw(`
        create schema ${tenant};
        create table ${tenant}.a (tenant text, id serial primary key);
        create table ${tenant}.b (a_id int references ${tenant}.a);
        insert into ${tenant}.a select '${tenant}' from generate_series(1, 3)`);
    }
  });

  /** A Knex instance with the configuration of a project. */
  const open = (project: Project, searchPath: string[], migrations: Knex.MigratorConfig = {}): Knex => {
    const knex = knexLib({
      client: 'pg',
      connection: database.url,
      searchPath,
      pool: { min: 0, max: 2, ...(onEmbedded ? { idleTimeoutMillis: 1, reapIntervalMillis: 1 } : {}) },
      migrations: { migrationSource: sourceOf(project), ...migrations },
      log: { warn: () => undefined },
    });
    opened.push(knex);
    return knex;
  };
  const cleanup = (options: Partial<DropOptions> = {}): Project => ({
    '001_cleanup': { name: '001_cleanup', tables: ['a', 'b'], rows: 'copy', ...options },
  });
  const tenant = (name: string, project = cleanup()) => open(project, [name], { schemaName: name });
  const tables = async () =>
    (
      await run.rows<{ name: string }>(
        `select schemaname || '.' || tablename as name from pg_tables
         where schemaname in ('one', 'two', 'public') and tablename !~ 'migrations' order by 1`,
      )
    ).map(({ name }) => name);
  const rowsOf = async (schema: string) =>
    (await run.rows<{ tenant: string }>(`select distinct tenant from ${schema}.a`)).map((row) => row.tenant);
  const entries = () => inReadOnlySession(run.knex, readEntries);
  const openEntries = async () => (await entries()).filter(({ restoredAt }) => restoredAt === null);
  /** Converts the archive to that of an earlier version, with checksums. */
  const age = () =>
    run.knex.raw(`
      drop table undrop.acceptances;
      alter table undrop.drops drop ledger, drop identity, drop database_oid, drop system_identifier, drop archive_oid, drop oids,
        drop restored_oids, drop moved, drop keep_until, drop given_up_at, drop given_up_by;
      alter table undrop.statements drop moved;
      create unique index drops_unrestored on undrop.drops (migration) where restored_at is null;
      update undrop.drops as d set prerequisites = (
        select coalesce(jsonb_agg(p - 'catalog' - 'oid' - 'column'), '[]') from jsonb_array_elements(d.prerequisites) as p);
      update undrop.drops as d set digest = split_part(digest, '.', 1) || '.' || ${headSql};
      update undrop.identity set format = 3`);

  describe('of two tenants', () => {
    it('are separate, and each is restored on its own', async () => {
      const [one, two] = [tenant('one'), tenant('two')];
      await one.migrate.latest();
      await two.migrate.latest();
      expect(await tables()).to.deep.equal([]);
      expect((await openEntries()).map(({ ledger }) => ledger)).to.deep.equal([
        'one.knex_migrations',
        'two.knex_migrations',
      ]);
      await two.migrate.rollback();
      expect(await tables()).to.deep.equal(['two.a', 'two.b']);
      expect(await rowsOf('two')).to.deep.equal(['two']);
      await two.migrate.latest();
      await one.migrate.rollback();
      expect(await tables()).to.deep.equal(['one.a', 'one.b']);
      expect(await rowsOf('one')).to.deep.equal(['one']);
      await two.migrate.rollback();
      expect(await tables()).to.deep.equal(['one.a', 'one.b', 'two.a', 'two.b']);
    });

    it('are separate where their migrations tables are in one schema', async () => {
      const [one, two] = ['one', 'two'].map((name) =>
        open(cleanup(), [name], { tableName: `${name}_migrations` }),
      );
      await one?.migrate.latest();
      await two?.migrate.latest();
      await one?.migrate.rollback();
      expect(await tables()).to.deep.equal(['one.a', 'one.b']);
      await two?.migrate.rollback();
      expect(await tables()).to.deep.equal(['one.a', 'one.b', 'two.a', 'two.b']);
    });

    it('are separate where only the call names the migrations table, and another one is in the search path', async () => {
      await open({}, ['public']).migrate.latest();
      await run.knex.raw('create schema ledger_one; create schema ledger_two');
      const [one, two] = ['one', 'two'].map((name) => open(cleanup(), [name, 'public']));
      await one?.migrate.latest({ schemaName: 'ledger_one' });
      await two?.migrate.latest({ schemaName: 'ledger_two' });
      expect(await tables()).to.deep.equal([]);
      expect((await openEntries()).map(({ ledger }) => ledger)).to.deep.equal([null, null]);
      await one?.migrate.rollback({ schemaName: 'ledger_one' });
      expect(await tables()).to.deep.equal(['one.a', 'one.b']);
      await two?.migrate.rollback({ schemaName: 'ledger_two' });
      expect(await tables()).to.deep.equal(['one.a', 'one.b', 'two.a', 'two.b']);
    });

    it('are separate where an earlier version dropped the first', async () => {
      await tenant('one').migrate.latest();
      await age();
      const two = tenant('two');
      await two.migrate.latest();
      expect(await run.rows('select format from undrop.identity')).to.deep.equal([
        { format: formats.length },
      ]);
      await two.migrate.rollback();
      expect(await tables()).to.deep.equal(['two.a', 'two.b']);
      await tenant('one').migrate.rollback();
      expect(await tables()).to.deep.equal(['one.a', 'one.b', 'two.a', 'two.b']);
    });

    it('are separate where an earlier version dropped only some of the tables', async () => {
      const [one, two] = [tenant('one'), tenant('two')];
      await one.migrate.latest();
      await age();
      await two.migrate.list();
      await run.knex.raw(
        `insert into two.knex_migrations (name, batch, migration_time) values ('001_cleanup', 1, now())`,
      );
      const error = await refusalOf(two.migrate.rollback(), 'archive-missing');
      expect(error.reason).to.match(
        /^entry 1: one.a, one.b, dropped on .*\n.*a, b, searched in the schemas two$/,
      );
      expect(await tables()).to.deep.equal(['two.a', 'two.b']);
      await one.migrate.rollback();
      expect(await tables()).to.deep.equal(['one.a', 'one.b', 'two.a', 'two.b']);
    });

    it('do not conflict over a table that both tenants see', async () => {
      await run.knex.raw('create table shared ()');
      const project = cleanup({ tables: ['shared'] });
      const [one, two] = ['one', 'two'].map((name) => open(project, [name, 'public'], { schemaName: name }));
      await one?.migrate.latest();
      await refusalOf(two?.migrate.latest() as Promise<unknown>, 'missing-table');
      await two?.migrate.list();
      await run.knex.raw(
        `insert into two.knex_migrations (name, batch, migration_time) values ('001_cleanup', 1, now())`,
      );
      await refusalOf(two?.migrate.rollback() as Promise<unknown>, 'archive-missing');
      await one?.migrate.rollback();
      expect(await tables()).to.include('public.shared');
    });

    it('are distinguished by every command', async () => {
      const [one, two] = [tenant('one'), tenant('two')];
      await one.migrate.latest();
      await two.migrate.latest();
      const several = await refusalOf(
        inSession(run.knex, (session) => restoreArchive(session, { migration: '001_cleanup' })),
        'bad-options',
      );
      expect(several.reason.split('\n')).to.have.length(2);
      expect(several.reason).to.match(
        /^entry 1: one.a, one.b, dropped on \S+, recorded in one.knex_migrations\nentry 2: two.a, /,
      );
      expect(several.next).to.contain('--entry');
      const ddl = (wanted: object) => inReadOnlySession(run.knex, (session) => archivedDdl(session, wanted));
      await refusalOf(ddl({ migration: '001_cleanup' }), 'bad-options');
      expect((await ddl({ entry: 2 })).statements[0]?.sql).to.contain('two.');
      await refusalOf(ddl({ entry: 2, migration: 'other' }), 'archive-missing');
      await refusalOf(
        inSession(run.knex, (session) => restoreArchive(session, { table: 'a' })),
        'bad-options',
      );
      const restored = await inSession(run.knex, (session) =>
        restoreArchive(session, { migration: '001_cleanup', table: 'two.b' }),
      );
      expect(restored).to.deep.include({ entry: 2, tables: ['two.b'] });
      expect((await openEntries()).map(({ id, ledger }) => [id, ledger])).to.deep.equal([
        [1, 'one.knex_migrations'],
        [3, 'two.knex_migrations'],
      ]);
      await inSession(run.knex, (session) => restoreArchive(session, { entry: 1 }));
      expect(await tables()).to.deep.equal(['one.a', 'one.b', 'two.b']);

      // Each rollback finds its own entry: the restored one, or the one with the other tables.
      const prune = () => inSession(run.knex, (session) => pruneArchive(session, {}));
      expect((await prune()).removed).to.deep.equal([]);
      await one.migrate.rollback();
      await two.migrate.rollback();
      expect(await tables()).to.deep.equal(['one.a', 'one.b', 'two.a', 'two.b']);
      expect((await prune()).removed).to.have.length(3);
    });

    it('are marked as restored separately', async () => {
      for (const name of ['one', 'two']) await tenant(name, cleanup({ tables: ['b'] })).migrate.latest();
      await run.knex.raw('create table two.b (a_id int references two.a)');
      const settled = await inSession(run.knex, settleEntries);
      expect(settled.map(({ id, restored }) => [id, restored])).to.deep.equal([[2, true]]);
      expect((await openEntries()).map(({ id }) => id)).to.deep.equal([1]);
    });

    it('are distinguished by status and preflight, by the search path', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'undrop-tenants-'));
      const index = pathToFileURL(join(import.meta.dirname, '../src/index.ts')).href;
      writeFileSync(
        join(folder, '001_cleanup.mjs'),
        `import { reversibleDrop } from ${JSON.stringify(index)};
         export const { up, down } = reversibleDrop({ name: '001_cleanup', tables: ['a', 'b'], rows: 'copy' });`,
      );
      const at = async (name: string) => {
        const knex = open({}, [name]);
        const { ledger, migrations } = await inReadOnlySession(knex, (session) =>
          readStatus(session, migrationsIn(folder)),
        );
        const planned = await inReadOnlySession(knex, (session) => preflight(session, migrationsIn(folder)));
        const states = planned.migrations.map(({ state }) => state);
        return [ledger, ...migrations.map(({ state, note }) => [state, note]), ...states];
      };
      try {
        await tenant('one').migrate.latest();
        await tenant('two').migrate.list();
        expect(await at('one')).to.deep.equal(['one.knex_migrations', ['completed', null]]);
        expect(await at('two')).to.deep.equal(['two.knex_migrations', ['pending', null], 'goes']);
        await run.knex.raw('delete from one.knex_migrations');
        const note = 'its tables are dropped already; migrate:latest records this';
        expect(await at('one')).to.deep.equal(['one.knex_migrations', ['pending', note], 'done']);
        await run.knex.raw('create table one.b ()');
        expect((await at('one')).at(-1)).to.equal('refused');
        const cannot = 'the archive has no entry for it: it cannot be rolled back';
        await run.knex.raw(
          `insert into two.knex_migrations (name, batch, migration_time) values ('001_cleanup', 1, now())`,
        );
        expect(await at('two')).to.deep.equal(['two.knex_migrations', ['completed', cannot]]);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });

  describe('of one migrations table', () => {
    it('are refused where a second migration has the name of the first, and nothing is recorded', async () => {
      const project: Project = {
        '001_first': { name: 'cleanup', tables: ['b'] },
        '002_second': { name: 'cleanup', tables: ['a'], rows: 'copy' },
      };
      const knex = tenant('one', project);
      const error = await refusalOf(knex.migrate.latest(), 'name-taken');
      expect(error.reason).to.match(
        /^entry 1: one.b, dropped on \S+, recorded in one.knex_migrations\nthe migration: a$/,
      );
      expect(await tables()).to.include.members(['one.a', 'one.b']);
      await knex.migrate.up();
      await refusalOf(knex.migrate.latest(), 'name-taken');
      expect(await run.rows('select name from one.knex_migrations')).to.deep.equal([{ name: '001_first' }]);
      expect(await tables()).to.include('one.a');
      await knex.migrate.rollback();
      expect(await tables()).to.include.members(['one.a', 'one.b']);
    });

    it('are refused where the migration was edited after it ran, until it is restored', async () => {
      await tenant('one', cleanup({ tables: ['b'] })).migrate.latest();
      await run.knex.raw('delete from one.knex_migrations');
      const edited = tenant('one', cleanup({ tables: ['a'] }));
      const error = await refusalOf(edited.migrate.latest(), 'name-taken');
      expect(error.next).to.contain('undrop restore --entry 1');
      await inSession(run.knex, (session) => restoreArchive(session, { entry: 1 }));
      await refusalOf(edited.migrate.latest(), 'has-dependents');
      await run.knex.raw('drop table one.b');
      await edited.migrate.latest();
      await edited.migrate.rollback();
      expect(await tables()).to.include('one.a');
    });

    it('are restored by a rollback even if the migration was edited', async () => {
      await tenant('one', cleanup({ tables: ['b'] })).migrate.latest();
      await tenant('one', cleanup({ tables: ['a'] })).migrate.rollback();
      expect(await tables()).to.include('one.b');
    });

    it('are one where up runs again after a crash, and does nothing', async () => {
      const knex = tenant('one');
      await knex.migrate.latest();
      await run.knex.raw('delete from one.knex_migrations');
      await knex.migrate.latest();
      expect(await entries()).to.have.length(1);
      await knex.migrate.rollback();
      expect(await rowsOf('one')).to.deep.equal(['one']);
    });

    it('are refused where not all tables of the migration were dropped', async () => {
      const project = cleanup({ approval: 'each-table' });
      const knex = tenant('one', project);
      await withEnvironment({ APPROVED_DROPS: 'b' }, () => knex.migrate.latest());
      await run.knex.raw('delete from one.knex_migrations');
      await withEnvironment({ APPROVED_DROPS: 'a,b' }, async () => {
        const error = await refusalOf(knex.migrate.latest(), 'name-taken');
        expect(error.subject).to.equal('one.a');
        expect(error.next).to.contain('undrop restore --entry 1');
      });
      await withEnvironment({ APPROVED_DROPS: 'b' }, () => knex.migrate.latest());
      await withEnvironment({ APPROVED_DROPS: 'a,b' }, async () => {
        await knex.migrate.rollback();
        await knex.migrate.latest();
      });
      expect(await tables()).to.deep.equal(['two.a', 'two.b']);
    });

    it('are one even if the migrations table was renamed', async () => {
      const knex = tenant('one');
      await knex.migrate.latest();
      await run.knex.raw(`
        create schema elsewhere;
        alter table one.knex_migrations set schema elsewhere;
        alter table one.knex_migrations_lock set schema elsewhere`);
      const moved = open(cleanup(), ['one'], { schemaName: 'elsewhere' });
      await moved.migrate.rollback();
      expect(await tables()).to.include.members(['one.a', 'one.b']);
    });

    it('are refused where a name resolves to another table now', async () => {
      const project = cleanup({ tables: ['c'] });
      await run.knex.raw('create table public.c ()');
      const knex = open(project, ['one', 'public'], { schemaName: 'one' });
      await knex.migrate.latest();
      await run.knex.raw('delete from one.knex_migrations; create table one.c ()');
      await refusalOf(knex.migrate.latest(), 'name-taken');
      expect(await tables()).to.include('one.c');
      await run.knex.raw(
        `insert into one.knex_migrations (name, batch, migration_time) values ('001_cleanup', 1, now())`,
      );
      await knex.migrate.rollback();
      expect(await tables()).to.include.members(['one.c', 'public.c']);
    });
  });

  describe('without a known migrations table', () => {
    const direct = (options: DropOptions, path: string, way: 'up' | 'down') =>
      run.knex.transaction(async (transaction) => {
        await transaction.raw(`set local search_path = ${path}`);
        await reversibleDrop(options)[way](transaction);
      });

    it('are distinguished by their tables', async () => {
      const options: DropOptions = { name: 'm', tables: ['b'] };
      await direct(options, 'one', 'up');
      await direct(options, 'two', 'up');
      await direct(options, 'two', 'up');
      expect(await tables()).to.deep.equal(['one.a', 'two.a']);
      await direct(options, 'one', 'down');
      expect(await tables()).to.deep.equal(['one.a', 'one.b', 'two.a']);
      await direct(options, 'one', 'down');
      await direct(options, 'two', 'down');
      expect(await tables()).to.deep.equal(['one.a', 'one.b', 'two.a', 'two.b']);
    });

    it('are refused where two qualify, and can be chosen by number', async () => {
      const options: DropOptions = { name: 'm', tables: ['b'] };
      await direct(options, 'two', 'up');
      await direct(options, 'one, two', 'up');
      const error = await refusalOf(direct(options, 'one, two', 'down'), 'bad-options');
      expect(error.reason.split('\n')).to.have.length(2);
      await inSession(run.knex, (session) => restoreArchive(session, { entry: 2 }));
      await direct(options, 'one, two', 'down');
      expect(await tables()).to.deep.equal(['one.a', 'one.b', 'two.a']);
    });

    it('are refused where they hold other tables', async () => {
      await direct({ name: 'm', tables: ['b'] }, 'one', 'up');
      await refusalOf(direct({ name: 'm', tables: ['a'], rows: 'copy' }, 'one', 'up'), 'name-taken');
      await refusalOf(direct({ name: 'm', tables: ['a'] }, 'one', 'down'), 'archive-missing');
      expect(await tables()).to.include('one.a');
    });
  });
});

describe('a Knex project that migrates each tenant', () => {
  const server = useServer();
  let database: TestDatabase;
  let project: StockProject;
  let run: Runner;

  before(async function () {
    if (onEmbedded) skip(this, 'a process of its own takes the only connection');
    database = await server.createDatabase();
    run = runner(database.url);
    project = makeStockProject();
    project.write(
      'knexfile.js',
      `export default {
        client: 'pg', connection: process.env.DATABASE_URL, searchPath: [process.env.TENANT],
        migrations: { schemaName: process.env.TENANT },
      };\n`,
    );
    project.write(
      'migrations/001_cleanup.js',
      `import { reversibleDrop } from 'knex-undrop';
       export const { up, down } = reversibleDrop({ name: import.meta.filename, tables: ['a'], rows: 'copy' });\n`,
    );
  });

  after(async () => {
    project?.remove();
    await run?.end();
    if (database !== undefined) await server.dropDatabase(database.name);
  });

  it('drops and restores the tables of each', async () => {
    for (const name of ['one', 'two'])
      await run.knex.raw(
        `create schema ${name}; create table ${name}.a (v text); insert into ${name}.a values ('${name}')`,
      );
    const knex = async (command: string, tenant: string) => {
      const ran = await project.run(`node_modules/.bin/knex ${command}`, {
        DATABASE_URL: database.url,
        TENANT: tenant,
      });
      expect(ran.status, ran.text).to.equal(0);
      return ran.text;
    };
    expect(await knex('migrate:latest', 'one')).to.contain('1 table dropped');
    expect(await knex('migrate:latest', 'two')).to.contain('1 table dropped');
    const left = () =>
      run.rows(`select schemaname || '.' || tablename as name from pg_tables where tablename = 'a'`);
    expect(await left()).to.deep.equal([]);
    await knex('migrate:rollback', 'two');
    expect(await left()).to.deep.equal([{ name: 'two.a' }]);
    expect(await run.rows('select v from two.a')).to.deep.equal([{ v: 'two' }]);
    await knex('migrate:rollback', 'one');
    expect(await run.rows('select v from one.a')).to.deep.equal([{ v: 'one' }]);
  });
});
