import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import knexFactory, { type Knex } from 'knex';
import pg from 'pg';
import { ensureArchive } from '../src/archive/schema.ts';
import { UndropError } from '../src/errors.ts';
import { connect } from '../src/knex/connection.ts';
import { startEmbedded } from '../src/knex/embedded.ts';
import { findTarget } from '../src/knex/find-target.ts';
import { prepareLedger } from '../src/knex/ledger.ts';
import type { Target } from '../src/knex/target.ts';
import { type UndropConfigOptions, undropConfig } from '../src/migration/knex-config.ts';
import { UndropMigrationSource } from '../src/migration/migration-source.ts';
import { inSession } from '../src/session/session.ts';
import { useServer } from './support/use-database.ts';

const table = (name: string) => `
  exports.up = (knex) => knex.schema.createTable('${name}', (t) => t.increments());
  exports.down = (knex) => knex.schema.dropTable('${name}');
`;

const server = useServer();
let root: string;
let database: string;
let knex: Knex | undefined;

function write(path: string, text: string): void {
  writeFileSync(join(root, path), text);
}

/** A separate configuration and pool, as in a new process. */
async function open(options: Partial<UndropConfigOptions> = {}): Promise<Knex> {
  await knex?.destroy();
  knex = knexFactory(undropConfig({ root, connection: server.url(database), ...options }));
  return knex;
}

/** Without this package's configuration. */
async function plain(): Promise<Knex> {
  await knex?.destroy();
  knex = knexFactory({ client: 'pg', connection: server.url(database) });
  return knex;
}

async function said(work: () => Promise<unknown>): Promise<string> {
  const { write: original } = process.stderr;
  let text = '';
  process.stderr.write = (chunk: string | Uint8Array) => {
    text += chunk;
    return true;
  };
  try {
    await work();
  } finally {
    process.stderr.write = original;
  }
  return text;
}

async function failure(work: () => Promise<unknown>): Promise<UndropError> {
  try {
    await work();
  } catch (error) {
    if (error instanceof UndropError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const names = async (sql: string) =>
  (await server.sql<{ name: string }>(database, sql)).map(({ name }) => name);
const recorded = () => names('select name from undrop.knex_migrations order by id');
const hasSchema = () => names("select nspname as name from pg_namespace where nspname = 'undrop'");

describe('Knex', () => {
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'undrop-source-'));
    database = (await server.createDatabase()).name;
    mkdirSync(join(root, 'migrations'));
    mkdirSync(join(root, 'seeds'));
  });

  afterEach(async () => {
    await knex?.destroy();
    knex = undefined;
    delete process.env.UNDROP_TEST_READY;
    rmSync(root, { recursive: true });
  });

  describe('UndropMigrationSource', () => {
    const list = async (completed: [string, string][] = []) => {
      const source = new UndropMigrationSource({
        folder: join(root, 'migrations'),
        completed: async () => new Map(completed),
      });
      return (await source.getMigrations()).map((entry) => [
        basename(entry.path),
        source.getMigrationName(entry),
      ]);
    };

    it('lists migrations of every kind in order, each once, and no declarations', async () => {
      for (const file of ['3.cjs', '2.js', '2.d.ts', '2.ts', '1.mjs', '4.mts', '5.js.map', 'notes.md']) {
        write(`migrations/${file}`, '');
      }
      expect(await list()).to.deep.equal([
        ['1.mjs', '1'],
        ['2.ts', '2'],
        ['3.cjs', '3'],
        ['4.mts', '4'],
      ]);
    });

    it('keeps a name that the migrations table holds with its extension', async () => {
      write('migrations/1.ts', '');
      expect(await list([['1', '1.js']])).to.deep.equal([['1.ts', '1.js']]);
    });

    it('loads no completed migration without a check', async () => {
      write('migrations/1.cjs', `throw new Error('loaded')`);
      expect(await list([['1', '1']])).to.deep.equal([['1.cjs', '1']]);
    });

    it('refuses two migrations of one name option, unless both have run', async () => {
      const index = pathToFileURL(join(import.meta.dirname, '../src/index.ts')).href;
      const drop = (name: string) =>
        `import { reversibleDrop } from ${JSON.stringify(index)};
         export const { up, down } = reversibleDrop({ name: ${name}, tables: ['a'] });`;
      write('migrations/1_a.mjs', drop('"cleanup"'));
      write('migrations/2_b.mjs', drop('import.meta.filename'));
      write('migrations/3_c.mjs', drop('"cleanup"'));
      const error = await failure(() => list());
      expect(error.code).to.equal('bad-options');
      expect(error.reason).to.contain('1_a.mjs and 3_c.mjs');
      // The completed one is not loaded; `up` finds its entry in the archive.
      expect(await list([['1_a', '1_a']])).to.have.length(3);
      const folder = join(root, 'migrations');
      const look = (completed: [string, string][]) =>
        new UndropMigrationSource({
          folder,
          completed: async () => new Map(completed),
          check: () => undefined,
        }).getMigrations();
      expect((await failure(() => look([['1_a', '1_a']]))).subject).to.equal('cleanup');
      expect(
        await look([
          ['1_a', '1_a'],
          ['3_c', '3_c'],
        ]),
      ).to.have.length(3);
    });

    it('calls beforeUp once for each migration, before the transaction', async () => {
      write('migrations/1.cjs', table('1_one'));
      write('migrations/2.cjs', table('2_two'));
      const inTransaction: string[] = [];
      const migrationSource = new UndropMigrationSource({
        folder: join(root, 'migrations'),
        completed: async () => {
          const ran = await names(
            "select substr(tablename, 1, 1) as name from pg_tables where tablename in ('1_one', '2_two')",
          );
          return new Map(ran.map((name) => [name, name]));
        },
        beforeUp: async () => {
          const [row] = await server.sql<{ open: string }>(
            'postgres',
            `select count(xact_start) as open from pg_stat_activity where datname = '${database}'`,
          );
          inTransaction.push(row?.open ?? '');
        },
      });
      knex = knexFactory({ client: 'pg', connection: server.url(database), migrations: { migrationSource } });
      await knex.migrate.list();
      expect(inTransaction).to.deep.equal([]);
      await knex.migrate.up();
      await knex.migrate.latest();
      expect(inTransaction).to.deep.equal(['0', '0']);
      await knex.migrate.rollback();
      expect(inTransaction).to.have.length(2);
    });

    it('names a folder that does not exist', async () => {
      rmSync(join(root, 'migrations'), { recursive: true });
      const error = await failure(() => list());
      expect(error.code).to.equal('bad-options');
      expect(error.subject).to.equal(join(root, 'migrations'));
    });

    it('passes all migrations to the check, and throws its errors', async () => {
      write('migrations/1.cjs', table('one'));
      write('migrations/2.cjs', `${table('two')} exports.ready = () => false;`);
      const seen: string[] = [];
      const source = new UndropMigrationSource({
        folder: join(root, 'migrations'),
        completed: async () => new Map([['1', '1']]),
        check: (migrations) => {
          for (const { name, module } of migrations) if ('up' in module) seen.push(name);
          throw new RangeError('from the check');
        },
      });
      const error = await source.getMigrations().catch((reason) => reason);
      expect(error).to.be.instanceOf(RangeError);
      expect(seen).to.deep.equal(['1', '2']);
    });
  });

  describe('undropConfig', () => {
    it('runs, lists and rolls back under names without extension', async () => {
      write('migrations/1.cjs', table('one'));
      const first = await open();
      expect(await first.migrate.latest()).to.deep.equal([1, ['1']]);
      expect(await recorded()).to.deep.equal(['1']);
      expect(await first.migrate.latest()).to.deep.equal([1, []]);
      expect(await first.migrate.rollback()).to.deep.equal([1, ['1']]);
      expect((await first.migrate.list())[1]).to.have.nested.property('[0].file', '1');
    });

    it('offers a migration that is not ready for rollback only, and reports what it waits for', async () => {
      write('migrations/1.cjs', table('one'));
      write(
        'migrations/2.cjs',
        `${table('two')}
      exports.ready = () => process.env.UNDROP_TEST_READY === 'yes';
      exports.ready.waitsFor = 'the word yes';`,
      );
      const lines = await said(async () => {
        expect(await (await open()).migrate.latest()).to.deep.equal([1, ['1']]);
        expect(await (await open()).migrate.latest()).to.deep.equal([1, []]);
      });
      expect(lines.match(/2 waits for the word yes\n/g)).to.have.length(1);

      process.env.UNDROP_TEST_READY = 'yes';
      const third = await open();
      expect(await third.migrate.latest()).to.deep.equal([2, ['2']]);
      delete process.env.UNDROP_TEST_READY;
      expect(await third.migrate.rollback()).to.deep.equal([2, ['2']]);
    });

    it('logs the database once', async () => {
      const lines = await said(async () => {
        await (await open()).migrate.list();
        await (await open()).migrate.list();
      });
      const { host, port } = server.config(database);
      expect(lines).to.equal(`Database: ${database} at ${host}:${port} as ${server.config(database).user}\n`);
    });

    it('creates no schema for seeds, and no privileges on the one for migrations', async () => {
      write('seeds/1.cjs', `exports.seed = (knex) => knex.raw('create table seeded ()');`);
      await (await open()).seed.run();
      expect(await hasSchema()).to.deep.equal([]);
      await server.sql(database, 'alter default privileges grant usage on schemas to public');
      await (await open()).migrate.latest();
      const acl = "select unnest(nspacl)::text as name from pg_namespace where nspname = 'undrop'";
      expect((await names(acl)).filter((item) => item.startsWith('='))).to.deep.equal([]);
    });

    it('migrates after seeding through the same pool', async () => {
      write('seeds/1.cjs', `exports.seed = (knex) => knex.raw('select 1');`);
      write('migrations/1.cjs', table('one'));
      const db = await open();
      await db.seed.run();
      expect(await db.migrate.latest()).to.deep.equal([1, ['1']]);
    });

    it('does the same on the embedded server, with one connection at a time', async () => {
      write('seeds/1.cjs', `exports.seed = (knex) => knex.raw('select 1');`);
      write('migrations/1.cjs', table('one'));
      const embedded = await startEmbedded(join(root, '.undrop'));
      try {
        const connection: Target = { settings: { ...embedded.settings, ssl: { mode: 'disable' } }, embedded };
        const db = await open({ connection });
        await db.seed.run();
        expect(await db.migrate.latest()).to.deep.equal([1, ['1']]);
        expect((await db.migrate.list())[0]).to.deep.equal([{ name: '1' }]);
        expect(await db.migrate.rollback()).to.deep.equal([1, ['1']]);
        expect((await failure(() => connect(connection))).code).to.equal('in-use');
        await db.destroy();
      } finally {
        await embedded.stop();
      }
    });

    it('refuses a second migrations table, and uses the first if configured', async () => {
      write('migrations/1.cjs', table('one'));
      await server.sql(
        database,
        `create table knex_migrations (id serial, name text, batch int, migration_time timestamptz);
       insert into knex_migrations (name, batch) values ('1.js', 1)`,
      );
      const error = await failure(async () => (await open()).migrate.latest());
      expect(error.code).to.equal('bad-options');
      expect(error.next).to.contain("schemaName: 'public'");
      expect(await hasSchema()).to.deep.equal([]);

      const [, pending] = await (await open({ schemaName: 'public' })).migrate.list();
      expect(pending).to.deep.equal([]);
      expect(await (await open({ schemaName: 'undrop' })).migrate.latest()).to.deep.equal([1, ['1']]);
    });

    it('names the privilege that a role lacks', async () => {
      const role = `plain_${process.pid}`;
      await server.sql(database, `create role ${role} login`);
      const ask = () =>
        failure(async () => (await open({ connection: server.url(database, role) })).migrate.list());
      try {
        const none = await ask();
        expect(none.code).to.equal('insufficient-privilege');
        expect(none.next).to.contain(`create schema undrop authorization ${role}`);
        await server.sql(database, 'create schema undrop');
        expect((await ask()).next).to.contain(`grant usage, create on schema undrop to ${role}`);
        await server.sql(
          database,
          `grant all on schema undrop to ${role}; create table undrop.knex_migrations ()`,
        );
        expect((await ask()).message).to.contain('may not read undrop.knex_migrations');
      } finally {
        await server.sql(database, `drop owned by ${role}; drop role ${role}`);
      }
    });

    it('lists all unknown options', async () => {
      const options = { dir: 1, scheme: 2 } as unknown as UndropConfigOptions;
      const error = await failure(async () => undropConfig(options));
      expect(error.code).to.equal('bad-options');
      expect(error.reason).to.contain('"dir"').and.contain('"scheme"').and.contain('root');
    });

    it('takes compiled seeds without declarations, and only sources where there are any', () => {
      const extensions = () => undropConfig({ root }).seeds?.loadExtensions;
      write('seeds/1.d.ts', '');
      write('seeds/1.js', '');
      expect(extensions()).to.deep.equal(['.js', '.mjs', '.cjs']);
      write('seeds/1.ts', '');
      expect(extensions()).to.deep.equal(['.ts']);
    });
  });

  describe('prepareLedger', () => {
    it('creates one schema for concurrent processes', async () => {
      const target = await findTarget({ DATABASE_URL: server.url(database) });
      const clients = await Promise.all(Array.from({ length: 8 }, () => connect(target)));
      const ledger = { schemaName: 'undrop', tableName: 'knex_migrations', given: false };
      try {
        await Promise.all(clients.map((client) => prepareLedger(client, ledger)));
        expect(await hasSchema()).to.deep.equal(['undrop']);
      } finally {
        await Promise.all(clients.map((client) => client.end()));
      }
    });
  });

  describe('a configuration', () => {
    it('works with type parsers that the application has set for the driver', async () => {
      write('migrations/1_table.cjs', table('one'));
      const { builtins, getTypeParser, setTypeParser } = pg.types;
      const { BOOL, INT8, OID, JSON: json, JSONB, TIMESTAMPTZ } = builtins;
      // Knex itself reads numbers and varchar.
      const kinds = [BOOL, INT8, OID, json, JSONB, TIMESTAMPTZ, 19, 1003, 1009].map(
        (oid) => [oid, getTypeParser(oid)] as const,
      );
      for (const [oid] of kinds) setTypeParser(oid, () => ({ parsed: true }));
      try {
        const first = await open();
        await first.migrate.latest();
        await first.destroy();
        // A lock that a killed process has left.
        await server.sql(database, 'update undrop.knex_migrations_lock set is_locked = 1');
        const second = await open();
        await second.migrate.rollback();
        expect(await second.migrate.list()).to.have.nested.property('[1].length', 1);
      } finally {
        for (const [oid, parser] of kinds) setTypeParser(oid, parser);
      }
    });

    it('names what an event trigger refuses to let it create, and the trigger function', async () => {
      write('migrations/1_table.cjs', table('one'));
      await server.sql(
        database,
        `create function public.forbid() returns event_trigger language plpgsql as $$begin
           raise exception 'not here'; end$$;
         create event trigger forbidding on ddl_command_start when tag in ('CREATE SCHEMA')
           execute function public.forbid()`,
      );
      const { code, message, reason, next } = await failure(async () => (await open()).migrate.latest());
      expect(code).to.equal('server-error');
      expect(message).to.equal('The schema undrop could not be created; nothing was changed.');
      expect(reason).to.include('not here').and.include('forbid()');
      expect(next).to.include('event trigger');
      const archive = failure(async () => inSession(await plain(), (session) => ensureArchive(session)));
      expect((await archive).message).to.equal(message);
    });
  });

  describe('npx knex', () => {
    const cli = createRequire(import.meta.url).resolve('knex/bin/cli.js');

    function run(command: string, url: string) {
      const env = {
        ...process.env,
        NODE_OPTIONS: '--import=tsx',
        DATABASE_URL: url,
        DEBUG: '',
        FORCE_COLOR: '0',
      };
      return spawnSync(process.execPath, [cli, ...command.split(' ')], { encoding: 'utf8', env });
    }

    it('ends at once, and prints the error once', () => {
      const { status, stdout, stderr } = run('migrate:latest', 'postgres://u:geheim@127.0.0.1:1/turing');
      expect(status).to.equal(1);
      expect(stdout).to.equal('');
      expect(stderr.match(/no-connection: /g)).to.have.length(1);
      expect(stderr)
        .to.contain('next: Start the server')
        .and.not.contain('geheim')
        .and.not.contain('    at ');
    });

    it('refuses --connection, under which migrations table and migrations would be in two databases', () => {
      const { status, stderr } = run(
        `migrate:latest --connection ${server.url('postgres')}`,
        server.url(database),
      );
      expect(status).to.equal(1);
      expect(stderr).to.contain('bad-options: --connection');
    });
  });
});
