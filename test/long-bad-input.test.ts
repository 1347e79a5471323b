import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import pg from 'pg';
import { ensureArchive } from '../src/archive/schema.ts';
import type { ErrorCode } from '../src/errors.ts';
import { startEmbedded } from '../src/knex/embedded.ts';
import { describeServer } from '../src/session/server.ts';
import { inSession } from '../src/session/session.ts';
import type { Ran } from './support/command.ts';
import { keepEmbeddedCompiled } from './support/compiled.ts';
import { fakePgDump } from './support/fake-pg-dump.ts';
import { runner } from './support/migrate.ts';
import { pgDump, wholeText } from './support/pg-dump.ts';
import { makeProject, type Project } from './support/project.ts';
import { rolePrefix } from './support/role-prefix.ts';
import type { TestDatabase } from './support/server.ts';
import { skip } from './support/skip.ts';
import { useServer } from './support/use-database.ts';

const secret = 'geheim-99';
const legacy =
  'production_runs, test_cases_history, career_analyses, dialogue_step_placeholders, trigger_executions, workflow_scripts';

interface Words {
  status: number;
  code: ErrorCode;
  /** Texts that must be in the message, the reason or the next step. */
  says: (string | RegExp)[];
}

/** Expects one message with reason and next step, without a stack or a password. */
function expectOneMessage(ran: Ran, { status, code, says }: Words): void {
  expect(ran.status, ran.text).to.equal(status);
  const messages = [
    ...ran.stderr.matchAll(/^([a-z-]+): (.+(?:\n.+)*?)\n {2}why: {2}(\S.*(?:\n {8}.*)*)\n {2}next: (\S.*)/gm),
  ];
  expect(messages, ran.text).to.have.length(1);
  const [message = ''] = messages[0] ?? [];
  expect(messages[0]?.[1], ran.text).to.equal(code);
  for (const words of says) {
    if (typeof words === 'string') expect(message).to.include(words);
    else expect(message).to.match(words);
  }
  expect(ran.text).not.to.match(/^ +at .*[:(]/m);
  expect(ran.text).not.to.include(secret);
}

describe('bad input', () => {
  let project: Project;
  const server = useServer();
  let seeded: TestDatabase;
  let database: TestDatabase;
  let env: Record<string, string>;

  before(async () => {
    project = makeProject();
    seeded = await server.createDatabase();
    const ran = await project.knex('seed:run', { env: { DATABASE_URL: seeded.url } });
    expect(ran.status, ran.text).to.equal(0);
  });

  after(async () => {
    project.remove();
    await server.dropDatabase(seeded.name);
  });

  beforeEach(async () => {
    database = await server.createDatabase(undefined, { template: seeded.name });
    env = { DATABASE_URL: database.url, UNDROP_BACKUP: 'off' };
  });

  afterEach(() => server.dropDatabase(database.name));

  const sql = <Row = Record<string, unknown>>(text: string) => server.sql<Row>(database.name, text);
  const knex = (command: string, more = {}) => project.knex(command, { env: { ...env, ...more } });
  const undrop = (command: string, more = {}) => project.undrop(command, { env: { ...env, ...more } });
  const latest = (more = {}) => knex('migrate:latest', more);
  const dump = () => wholeText(database.url);

  /** Expects each command to be refused, and the database to be unchanged. */
  async function refused(commands: (() => Promise<Ran>)[], words: Words): Promise<void> {
    const before = await dump();
    for (const command of commands) expectOneMessage(await command(), words);
    expect(await dump()).to.equal(before);
  }

  describe('of the connection', () => {
    const port = () => new URL(database.url).port;
    const cases: [what: string, env: () => Record<string, string>, says: Words['says']][] = [
      [
        'a DATABASE_URL that is no URL',
        () => ({ DATABASE_URL: `no url ${secret}` }),
        ['DATABASE_URL', 'postgres://user:password@'],
      ],
      ['a URL of another database', () => ({ DATABASE_URL: `mysql://u:${secret}@h/d` }), ['begins neither']],
      [
        'a password with a bare slash',
        () => ({ DATABASE_URL: `postgres://u:x/${secret}@h/d` }),
        ['DATABASE_URL'],
      ],
      [
        'a server that is down',
        () => ({ DATABASE_URL: `postgres://u:${secret}@127.0.0.1:1/d` }),
        ['127.0.0.1:1', 'Start the server'],
      ],
      [
        'a database that does not exist',
        () => ({ DATABASE_URL: server.url('nowhere', undefined, secret) }),
        ['database nowhere does not exist', 'createdb'],
      ],
      [
        'a role that does not exist',
        () => ({ DATABASE_URL: server.url(database.name, 'nobody', secret) }),
        ['role nobody does not exist'],
      ],
      [
        'PG variables that name a database that does not exist',
        () => ({
          PGHOST: '127.0.0.1',
          PGPORT: port(),
          PGDATABASE: 'nowhere',
          PGUSER: 'postgres',
          PGPASSWORD: secret,
        }),
        ['database nowhere does not exist'],
      ],
      ['an invalid port', () => ({ PGHOST: 'localhost', PGPORT: '54321x' }), ['PGPORT', '1 to 65535']],
      [
        'no settings in production',
        () => ({ NODE_ENV: 'production' }),
        ['NODE_ENV is production', 'Set DATABASE_URL'],
      ],
    ];

    for (const [what, where, says] of cases) {
      it(`${what}: no-connection, from Knex and from a command`, async () => {
        const [migrate, backup] = await Promise.all([
          project.knex('migrate:latest', { env: where() }),
          project.undrop('backup --json', { env: where() }),
        ]);
        expectOneMessage(migrate, { status: 1, code: 'no-connection', says });
        expectOneMessage(backup, { status: 1, code: 'no-connection', says });
        expect(JSON.parse(backup.stdout)).to.include({ formatVersion: 1, command: 'backup' });
        expect(JSON.parse(backup.stdout).error).to.have.keys('code', 'subject', 'message', 'reason', 'next');
      });
    }

    it('a wrong password', async function () {
      if (!server.own) return skip(this, 'not with UNDROP_TEST_URL');
      const url = server.url(database.name, 'pw_user', secret);
      const ran = await project.undrop('status', { env: { DATABASE_URL: url } });
      expectOneMessage(ran, {
        status: 1,
        code: 'no-connection',
        says: ['password of pw_user', 'PGPASSWORD'],
      });
    });
  });

  describe('of the server', () => {
    it('PostgreSQL older than 14, or newer than is known', () => {
      expect(() => describeServer('13.14', 130_014))
        .to.throw('13.14 is not supported')
        .with.property('next')
        .that.includes('Upgrade');
      expect(() => describeServer('19beta1', 190_000)).to.throw('19beta1 is not supported');
    });
  });

  describe('of the privileges', () => {
    before(() =>
      server.sql(seeded.name, `create role ${rolePrefix}_weak login; create role ${rolePrefix}_owner login`),
    );
    after(() => server.sql(seeded.name, `drop role ${rolePrefix}_weak; drop role ${rolePrefix}_owner`));

    it('no CREATE on the database', async () => {
      env.DATABASE_URL = server.url(database.name, `${rolePrefix}_weak`);
      const says = [
        `${rolePrefix}_weak may not create the schema undrop`,
        `create schema undrop authorization ${rolePrefix}_weak`,
      ];
      await refused([() => latest(), () => undrop('backup')], {
        status: 1,
        code: 'insufficient-privilege',
        says,
      });
    });

    it('a role that does not own the tables', async () => {
      await sql(`create schema undrop authorization ${rolePrefix}_owner`);
      env.DATABASE_URL = server.url(database.name, `${rolePrefix}_owner`);
      const says = [`does not own ${legacy}`, 'as the owner'];
      await refused([() => latest()], { status: 1, code: 'insufficient-privilege', says });
    });

    it('only SELECT: commands that only read work, the others report why not', async () => {
      await sql(`alter database ${database.name} set default_transaction_read_only = on`);
      const verify = await undrop('verify --expect 74');
      expect(verify.status, verify.text).to.equal(0);
      const says = ['is read-only', 'standby'];
      expectOneMessage(await undrop('backup'), { status: 1, code: 'unsupported-server', says });
    });
  });

  describe('of the tables', () => {
    it('none of them exists: a line each, and nothing to drop or restore', async () => {
      await sql(`drop table ${legacy}`);
      const before = await dump();
      const ran = await latest();
      expect(ran.status, ran.text).to.equal(0);
      expect(ran.stderr.match(/does not exist; skipped/g)).to.have.length(6);
      expect(ran.stderr).to.include('none of the tables exists, nothing to drop (entry 1)');
      const back = await knex('migrate:rollback');
      expect(back.status, back.text).to.equal(0);
      expect(back.stderr).to.include('nothing was dropped, nothing to restore (entry 1)');
      expect(await dump()).to.equal(before);
    });

    it('some do not exist: a line each, and the others are dropped and restored', async () => {
      await sql('drop table workflow_scripts');
      const before = await dump();
      const ran = await latest();
      expect(ran.status, ran.text).to.equal(0);
      expect(ran.stderr).to.include('044_cleanup_legacy_tables: workflow_scripts does not exist; skipped\n');
      expect((await knex('migrate:rollback')).status).to.equal(0);
      expect(await dump()).to.equal(before);
    });

    it('with rows', async () => {
      await sql('insert into trigger_executions (trigger_id) values (1), (2)');
      const says = ['public.trigger_executions is not empty', '2 rows', "rows: 'copy'"];
      await refused([() => latest()], { status: 1, code: 'not-empty', says });
    });

    it('with dependent objects', async () => {
      await sql(`create view watching as select count(*) from trigger_executions;
        create table pointing (run_id bigint references production_runs)`);
      const says = [
        'view public.watching',
        /constraint pointing_run_id_fkey on public.pointing/,
        'UNDROP_DEPENDENTS=cascade:044_cleanup_legacy_tables',
      ];
      await refused([() => latest()], { status: 1, code: 'has-dependents', says });
    });
  });

  describe('of the environment and the options', () => {
    const cases: [variables: Record<string, string>, says: Words['says']][] = [
      [
        { APPROVED_DROPS: 'organisations' },
        [
          'organisations',
          'Tables that require approval: interaction_lineage, workflow_dependencies, organizations',
        ],
      ],
      [{ APPROVED_DROPS: 'organizations@' }, ['"organizations@"', '8 to 12 hexadecimal digits']],
      [
        { UNDROP_BACKUP: 'maybe', UNDROP_BACKUP_MAX_AGE: 'a day', UNDROP_DEPENDENTS: 'yes' },
        [/UNDROP_BACKUP is "maybe".*\n.*UNDROP_BACKUP_MAX_AGE is "a day".*\n.*UNDROP_DEPENDENTS is "yes"/],
      ],
    ];
    for (const [variables, says] of cases) {
      it(`${Object.entries(variables)
        .map((pair) => pair.join('='))
        .join(' ')}: bad-options`, async () => {
        expectOneMessage(await latest(variables), { status: 1, code: 'bad-options', says });
      });
    }

    it('options of a migration: all mistakes at once, before anything runs', async () => {
      const file = join(project.folder, 'migrations/046_mistaken.js');
      writeFileSync(
        file,
        `import { reversibleDrop } from '../src/index.js';
        export const { up, down } = reversibleDrop({
          name: '046_mistaken', tables: ['app.a', 'b', 'b'], schemaComment: 'x', cascade: true, dependents: 'ignore', lockTries: 0 });`,
      );
      try {
        const says = [
          '046_mistaken',
          'cascade is not an option',
          'dependents is "ignore"',
          'lockTries',
          'names b twice',
          'all tables are in one schema',
        ];
        await refused([() => latest()], { status: 1, code: 'bad-options', says });
        expect(await sql('select to_regclass($$undrop.drops$$) as drops')).to.eql([{ drops: null }]);
      } finally {
        rmSync(file);
      }
    });

    it('seeds on a seeded database, and in production', async () => {
      const before = await dump();
      const filled = await knex('seed:run');
      const production = await knex('seed:run', { NODE_ENV: 'production' });
      for (const { status, stderr } of [filled, production]) {
        expect(status).to.equal(1);
        expect(stderr).to.include(
          'not-seedable: The turing seed was not run, and nothing was changed.\n  why:  ',
        );
      }
      expect(await dump()).to.equal(before);
    });
  });

  describe('of the archive', () => {
    it('a row of the migrations table without its entry', async () => {
      expect((await latest()).status).to.equal(0);
      await sql('truncate undrop.drops cascade');
      const says = ['no entry for 044_cleanup_legacy_tables', 'restore --from-ddl'];
      await refused([() => knex('migrate:rollback'), () => knex('migrate:rollback')], {
        status: 1,
        code: 'archive-missing',
        says,
      });
      expectOneMessage(await undrop('ddl --migration 044_cleanup_legacy_tables'), {
        status: 1,
        code: 'archive-missing',
        says: ['The archive is empty'],
      });
    });

    it('an entry that was changed', async () => {
      expect((await latest()).status).to.equal(0);
      await sql(`update undrop.statements set sql = sql || ' ' where position = 1`);
      await refused([() => knex('migrate:rollback')], {
        status: 1,
        code: 'archive-damaged',
        says: ['checksum'],
      });
    });
  });

  describe('of backups', () => {
    let folder: string;
    let good: string;

    const fake = (body: string, version?: string) => ({ PG_DUMP: fakePgDump(folder, body, version) });

    beforeEach(async () => {
      folder = join(project.folder, 'fakes');
      mkdirSync(folder, { recursive: true });
      const run = runner(database.url);
      await inSession(run.knex, ensureArchive);
      await run.end();
      good = join(folder, 'good.sql');
      writeFileSync(good, await pgDump(database.url));
      rmSync(join(project.folder, 'backups'), { recursive: true, force: true });
    });

    const files = () => readdirSync(join(project.folder, 'backups'));
    const recorded = async () => (await sql('select id from undrop.backups')).length;
    const take = async (): Promise<string> => {
      const ran = await undrop('backup --dump-format plain --json', fake(`cat '${good}'`));
      expect(ran.status, ran.text).to.equal(0);
      return JSON.parse(ran.stdout).file;
    };

    it('no pg_dump', async () => {
      const says = ['PG_DUMP is set to /nowhere/pg_dump', 'Set PG_DUMP'];
      await refused([() => undrop('backup', { PG_DUMP: '/nowhere/pg_dump' })], {
        status: 1,
        code: 'backup-failed',
        says,
      });
    });

    it('a pg_dump older than the server', async () => {
      const says = ['pg_dump has version 9.6.24', /the server has version \d+/, 'postgresql-client-'];
      expectOneMessage(await undrop('backup', fake('exit 1', '9.6.24')), {
        status: 1,
        code: 'backup-failed',
        says,
      });
      expect(await recorded()).to.equal(0);
    });

    it('a pg_dump that fails', async () => {
      env.DATABASE_URL = server.url(database.name, undefined, secret);
      const says = ['pg_dump: error: out of luck', '***', 'exited with code 7', 'This one was removed'];
      const failing = fake(`echo half; echo "pg_dump: error: out of luck, $PGPASSWORD" >&2; exit 7`);
      expectOneMessage(await undrop('backup', failing), { status: 1, code: 'backup-failed', says });
      expect(files()).to.eql([]);
      expect(await recorded()).to.equal(0);
    });

    it('a pg_dump that succeeds with an incomplete dump', async () => {
      const says = ['the last line of pg_dump is missing'];
      const lying = fake(`head -n 100 '${good}'`);
      expectOneMessage(await undrop('backup --dump-format plain', lying), {
        status: 3,
        code: 'backup-unproved',
        says,
      });
      const leaving = fake(`sed 's/^CREATE TABLE public.actors /CREATE TABLE public.others /' '${good}'`);
      expectOneMessage(await undrop('backup --dump-format plain', leaving), {
        status: 3,
        code: 'backup-unproved',
        says: ['does not create "public"."actors"'],
      });
      expect(await recorded()).to.equal(0);
    });

    it('a folder that is a file, or is not writable', async () => {
      const writing = fake(`cat '${good}'`);
      const none = await undrop('backup --folder package.json', writing);
      expectOneMessage(none, {
        status: 1,
        code: 'backup-failed',
        says: ['package.json', 'is a file, not a directory'],
      });
      expect(await recorded()).to.equal(0);
      if (process.getuid?.() === 0) return; // root may write everywhere
      const closed = join(project.folder, 'closed');
      mkdirSync(closed);
      chmodSync(closed, 0o500);
      const ran = await undrop(`backup --folder ${closed}`, writing);
      expectOneMessage(ran, {
        status: 1,
        code: 'backup-failed',
        says: [closed, 'has no write permission'],
      });
    });

    it('a full disk', async function () {
      const full = join(project.folder, 'full');
      mkdirSync(full);
      const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', full]).status === 0;
      if (!mounted) {
        return skip(this, 'no tmpfs can be mounted here');
      }
      try {
        const writing = fake(`exec cat '${good}'`);
        const ran = await undrop(`backup --folder ${full} --dump-format plain`, writing);
        expectOneMessage(ran, { status: 1, code: 'backup-failed', says: ['No space left on device'] });
        expect(readdirSync(full)).to.eql([]);
        expect(await recorded()).to.equal(0);
      } finally {
        spawnSync('umount', [full]);
      }
    });

    describe('that migrations require', () => {
      beforeEach(() => {
        env = { DATABASE_URL: database.url };
      });

      it('none', async () => {
        const says = [`no record of a backup of this database`, 'npm run backup', 'UNDROP_BACKUP=off'];
        await refused([() => latest()], { status: 1, code: 'backup-missing', says });
      });

      it('a truncated one, a deleted one, one that is too old; then a good one', async () => {
        const file = await take();
        expect(statSync(file).mode & 0o777).to.equal(0o600);
        const before = await dump();
        const whole = readFileSync(file);
        truncateSync(file, 1000);
        expectOneMessage(await latest(), {
          status: 1,
          code: 'backup-unproved',
          says: [file, 'is 1000 bytes'],
        });
        rmSync(file);
        expectOneMessage(await latest(), {
          status: 1,
          code: 'backup-unproved',
          says: [file, 'cannot be read'],
        });
        writeFileSync(file, whole);
        await sql(`update undrop.backups set started_at = now() - interval '25 hours'`);
        expectOneMessage(await latest(), {
          status: 1,
          code: 'backup-missing',
          says: [file, '25 h old', 'maximum age is 24 h'],
        });
        expect(await dump()).to.equal(before);
        const late = await latest({ UNDROP_BACKUP_MAX_AGE: '2d' });
        expect(late.status, late.text).to.equal(0);
        expect(await sql('select overrides from undrop.drops')).to.eql([
          { overrides: ['UNDROP_BACKUP_MAX_AGE=2d'] },
        ]);
      });

      it('one of another database', async () => {
        await take();
        const copy = await server.createDatabase(undefined, { template: database.name });
        try {
          const ran = await latest({ DATABASE_URL: copy.url });
          expectOneMessage(ran, {
            status: 1,
            code: 'backup-missing',
            says: [copy.name, 'no record of a backup of this database'],
          });
        } finally {
          await server.dropDatabase(copy.name);
        }
      });
    });
  });

  describe('of the command line', () => {
    const cases: [args: string[], says: string][] = [
      [[], 'no command was given'],
      [['nonsense'], "unknown command 'nonsense'"],
      [['help', 'nonsense'], 'no command was given'],
      [['backup', '--fast'], "unknown option '--fast'"],
      [['backup', '--dump-format', 'tar'], 'Allowed choices are custom, directory, plain'],
      [['verify', '--expect', '6e1'], 'It takes a number'],
      [['verify', '--expect'], 'argument missing'],
      [['verify', '68'], 'too many arguments'],
      [['restore'], 'one of --migration, --entry, --table, --from-backup'],
      [['ddl', 'posts', '--migration', '044'], 'name either tables, or --migration or --entry'],
      [['ddl', 'a.b.c'], '"a.b.c" is not a valid table name'],
      [['count-tables', '--schema', 'no\nsuch'], 'The schema no'],
    ];
    it('wrong usage: exit code 2, with the command for help', async () => {
      const all = await Promise.all(cases.map(([args]) => project.undropWith(args, { env })));
      for (const [index, ran] of all.entries()) {
        expectOneMessage(ran, { status: 2, code: 'bad-options', says: [cases[index]?.[1] ?? ''] });
      }
    });

    it('--help of every command: exit code 0, on standard output, without a database', async () => {
      const down = { env: { DATABASE_URL: 'postgres://127.0.0.1:1/x' } };
      const ran = await project.undrop('--help', down);
      const names = [...ran.stdout.matchAll(/^ {2}([a-z][a-z-]+) .* {2}\S/gm)].map(([, name = '']) => name);
      expect(names).to.include.members([
        'backup',
        'verify',
        'restore',
        'status',
        'ddl',
        'demo',
        'count-tables',
      ]);
      const asked = names.filter((name) => name !== 'help');
      const helps = await Promise.all(asked.map((name) => project.undrop(`${name} --help`, down)));
      for (const [index, { status, stdout, stderr }] of helps.entries()) {
        expect({ status, stderr }).to.eql({ status: 0, stderr: '' });
        expect(stdout).to.include(`Usage: undrop ${asked[index]} `).and.include('--json');
      }
    });

    it('--version: that of the package, with exit code 0', async () => {
      const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
      for (const option of ['--version', '-V']) {
        const { status, text } = await project.undropWith([option], { env });
        expect({ status, text }).to.eql({ status: 0, text: `${version}\n` });
      }
    });

    it('--json: one document on standard output in every case', async () => {
      const json = async (args: string) => {
        const ran = await undrop(`${args} --json`);
        return { status: ran.status, ...JSON.parse(ran.stdout) };
      };
      expect(await json('count-tables')).to.deep.include({ status: 0, command: 'count-tables', count: 74 });
      expect(await json('status')).to.deep.include({ status: 0, database: database.name, ledger: null });
      expect((await json('ddl actors')).statements).not.to.be.empty;
      const verify = await json('verify --expect 1');
      expect(verify)
        .to.include({ status: 1, ok: false })
        .and.have.nested.property('error.code', 'count-differs');
      expect(await json('ddl nothing'))
        .to.include({ status: 3 })
        .and.have.nested.property('error.code', 'missing-table');
      expect(await json('nonsense'))
        .to.include({ status: 2 })
        .and.have.nested.property('error.code', 'bad-options');
    });

    it('names with quotes, dots and line breaks, from a subfolder', async () => {
      await sql('create table "a""b\n.c" (i int); create table "Camel" ()');
      const options = { env, cwd: 'seeds/turing' };
      const counted = await project.undrop('count-tables', options);
      expect(counted.stdout).to.match(/^"Camel"\nU&"a""b\\000A\.c"\nactors\n/);
      expect(counted.stdout.split('\n')).to.have.length(77);
      const written = await project.undropWith(['ddl', '"a""b\n.c"', '--out', 'out'], options);
      expect(written.stdout).to.equal('out/_a_b_.c_.sql\n');
      const file = join(project.folder, 'seeds/turing/out/_a_b_.c_.sql');
      await sql('drop table "a""b\n.c"');
      const restored = await undrop(`restore --from-ddl ${file}`);
      expect(restored.stdout).to.equal(
        'restored  public."a""b\\u000a.c"\n' +
          'public."a""b\\u000a.c" was not compared: the archive has no open entry for it that could be read.\n',
      );
      expectOneMessage(await undrop(`restore --from-ddl ${file}`), {
        status: 3,
        code: 'name-taken',
        says: ['Statement 2 in'],
      });
      rmSync(join(project.folder, 'seeds/turing/out'), { recursive: true });
    });
  });

  describe('on the embedded server', () => {
    before(keepEmbeddedCompiled);

    async function embedded(text: string, meanwhile = async () => {}): Promise<void> {
      const own = await startEmbedded(join(project.folder, '.undrop'));
      const client = new pg.Client(own.settings);
      client.on('error', () => {});
      try {
        await client.connect();
        await client.query(text);
        await client.end();
        await meanwhile();
      } finally {
        await own.stop();
      }
    }

    it('gives the same messages, and later commands work', async () => {
      const off = { env: { UNDROP_BACKUP: 'off' } };
      expect((await project.knex('seed:run')).status).to.equal(0);
      await embedded('insert into trigger_executions (trigger_id) values (1)', async () => {
        const says = [`in use by process ${process.pid}`];
        expectOneMessage(await project.undrop('status'), { status: 1, code: 'in-use', says });
      });
      expectOneMessage(await project.knex('migrate:latest', off), {
        status: 1,
        code: 'not-empty',
        says: ['1 row'],
      });
      await embedded('delete from trigger_executions');
      expect((await project.knex('migrate:latest', off)).status).to.equal(0);

      // A query with parameters that fails in a savepoint, to which PGlite sends one answer too many.
      await embedded('alter function public.refuse_change() rename to away');
      const says = ['function public.refuse_change()', 'Recreate these objects'];
      expectOneMessage(await project.knex('migrate:rollback'), {
        status: 1,
        code: 'prerequisite-gone',
        says,
      });
      await embedded('alter function public.away() rename to refuse_change');
      const back = await project.knex('migrate:rollback');
      expect(back.status, back.text).to.equal(0);
    });
  });
});
