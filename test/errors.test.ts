import { expect } from 'chai';
import { seed } from '../seeds/01_turing.ts';
import { ensureArchive } from '../src/archive/schema.ts';
import { attest } from '../src/backup/take/attest.ts';
import { type ErrorCode, exitCodeOf, isUndropError, UndropError } from '../src/errors.ts';
import { reversibleDrop } from '../src/index.ts';
import { inSession } from '../src/session/session.ts';
import { type Runner, runner, said, withEnvironment } from './support/migrate.ts';
import { makeProject, type Project } from './support/project.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { useDatabase, useServer } from './support/use-database.ts';

const schema = `
  create table kept (id int primary key);
  insert into kept values (1);
  create table a (id serial primary key, kept_id int references kept);
  create table b (id int primary key);
  create table full_of (id int);
  insert into full_of values (1);
  create view v as select id from b`;

/** How an error is caused: the preparation, and the action that fails. */
interface Way {
  prepare?(at: Place): unknown;
  act(at: Place): Promise<unknown>;
}

interface Place {
  readonly run: Runner;
  readonly url: string;
  /** The superuser's runner, while other roles act. */
  sql(text: string): Promise<unknown>;
  /** Runs a command as a process, and throws the error that it prints. */
  command(args: string, env?: Readonly<Record<string, string>>): Promise<void>;
}

const drop = (table: string, more = {}) => reversibleDrop({ name: 'm', tables: [table], ...more });
const up = (table: string, more = {}): Way => ({ act: ({ run }) => run.up(drop(table, more)) });
const meddler = `
  create function meddle() returns event_trigger language plpgsql as $$
    begin comment on table public.a is 'meddled with'; exception when undefined_table then null; end $$;
  create event trigger meddle on ddl_command_end when tag in ('ALTER TABLE') execute function meddle()`;
/** Drops the table, then prepares the error. */
const afterUp = (text: string): Way => ({
  prepare: async ({ run, sql }) => {
    await run.up(drop('a'));
    await sql(text);
  },
  act: ({ run }) => run.down(drop('a')),
});
const attested = async ({ run }: Place) => inSession(run.knex, (session) => attest(session, 'by hand'));

const ways: Record<ErrorCode, Way> = {
  'bad-options': { act: ({ command }) => command('count-tables --schema nowhere') },
  'no-connection': { act: ({ command }) => command('status', { DATABASE_URL: 'postgres://127.0.0.1:1/x' }) },
  'unsupported-server': {
    act: ({ run }) =>
      run.knex.transaction((transaction) => drop('a').up(transaction), { isolationLevel: 'serializable' }),
  },
  'not-a-table': up('v'),
  'missing-table': up('nowhere'),
  'extension-member': {
    prepare: ({ sql }) => sql('create extension lo; alter extension lo add table a'),
    ...up('a'),
  },
  'not-empty': up('full_of'),
  'has-dependents': up('b'),
  'not-reproducible': {
    prepare: ({ sql }) => sql('alter table kept add gone a'),
    ...up('a', { dependents: 'cascade' }),
  },
  'rehearsal-differs': {
    prepare: async ({ run, sql }) => {
      await inSession(run.knex, ensureArchive);
      await sql(meddler);
    },
    ...up('a'),
  },
  'restore-differs': afterUp(meddler),
  'restore-failed': afterUp(`
    create function forbid() returns event_trigger language plpgsql as $$ begin raise 'not today'; end $$;
    create event trigger forbid on ddl_command_start when tag in ('CREATE TABLE') execute function forbid()`),
  'drop-differs': {
    prepare: ({ sql }) =>
      sql(`
        create function sweep() returns event_trigger language plpgsql as $$
          begin
            if exists (select from pg_event_trigger_dropped_objects() where object_name = 'a') then
              drop table if exists public.full_of;
            end if;
          end $$;
        create event trigger sweep on sql_drop execute function sweep()`),
    ...up('a'),
  },
  'count-differs': { act: ({ command }) => command('verify --expect 99') },
  'code-differs': { act: ({ command }) => command('audit --strict --code node_modules/pg/package.json') },
  'not-verified': { prepare: ({ sql }) => sql('drop view v'), act: ({ command }) => command('verify') },
  'approval-missing': up('a', { approval: 'each-table' }),
  'approval-stale': {
    act: ({ run }) =>
      withEnvironment({ APPROVED_DROPS: 'a@000000000000' }, () =>
        run.up(drop('a', { approval: 'each-table' })),
      ),
  },
  'backup-missing': up('a', { backup: 'required' }),
  'backup-unproved': { prepare: attested, ...up('a', { backup: 'required', backupProof: 'restore' }) },
  'backup-failed': {
    // The archive contains the later record from the beginning, and so does the dump.
    prepare: ({ run }) => inSession(run.knex, ensureArchive),
    act: ({ command }) => command('backup', { PG_DUMP: '/nowhere/pg_dump' }),
  },
  'lock-timeout': {
    act: ({ run }) =>
      run.knex.transaction(async (transaction) => {
        await transaction.raw('select * from kept');
        await run.up(drop('a', { lockTimeout: '50ms', lockTries: 2 }));
      }),
  },
  'name-taken': afterUp('create table a ()'),
  'prerequisite-gone': afterUp('drop table kept'),
  'archive-missing': { act: ({ run }) => run.down(drop('a')) },
  'archive-damaged': afterUp(`update undrop.statements set sql = sql || ' ' where position = 1`),
  'archive-foreign': {
    prepare: async ({ run, sql }) => {
      await inSession(run.knex, ensureArchive);
      await sql('delete from undrop.identity');
    },
    ...up('a'),
  },
  'insufficient-privilege': {
    prepare: ({ sql }) =>
      sql(
        `create role ${rolePrefix}_stranger login; create schema undrop authorization ${rolePrefix}_stranger`,
      ),
    act: async ({ url }) => {
      const stranger = runner(url.replace('postgres@', `${rolePrefix}_stranger@`));
      try {
        await stranger.up(drop('a'));
      } finally {
        await stranger.end();
      }
    },
  },
  'not-seedable': {
    prepare: ({ sql }) => sql('create table postings ()'),
    act: ({ run }) => seed(run.knex),
  },
  'in-use': {
    act: async ({ run, url, command }) => {
      await run.knex.raw('select');
      await command(`roundtrip --database ${url}`);
    },
  },
  'server-error': {
    act: ({ run }) =>
      run.knex.transaction(async (transaction) => {
        await transaction.raw(`set local statement_timeout = '1ms'`);
        await drop('a').up(transaction);
      }),
  },
};

describe('each error', () => {
  const server = useServer();
  let project: Project;

  before(() => {
    project = makeProject();
  });

  after(() => project.remove());

  const { database, run, sql } = useDatabase(server, schema);

  afterEach(async () => {
    await server.sql('postgres', `drop role if exists ${rolePrefix}_stranger`);
  });

  /**
   * A digest of the rows of all tables, catalogs included, by their locations and transactions: a row that is written
   * again differs, even if its values are the same. Only rows of pg_class are updated in place, with statistics, which
   * may change. Sequences are not rolled back, so those of the archive are left out.
   */
  async function everything(): Promise<string[]> {
    const tables = await server.sql<{ query: string }>(
      database.name,
      `select format('select %L || count(*) || coalesce(sum(hashtextextended((%s)::text, 0)::numeric), 0) as line
            from %I.%I as t',
          format('%I.%I: ', n.nspname, c.relname),
          case when c.relkind = 'S' then '(t.last_value, t.is_called)'
            when c.oid = 'pg_class'::regclass then $$to_jsonb(t) -
              '{relpages,reltuples,relallvisible,relallfrozen,relfrozenxid,relminmxid}'::text[]$$
            else '(t.ctid, t.xmin)' end,
          n.nspname, c.relname) as query
       from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
       where c.relkind in ('r', 'S') and c.relpersistence <> 't' and not c.relisshared
         and n.nspname <> 'information_schema' and (n.nspname, c.relkind) <> ('undrop', 'S')
         and c.relname not in ('pg_statistic', 'pg_largeobject')`,
    );
    const all = tables.map(({ query }) => query).join(' union all ');
    const rows = await server.sql<{ line: string }>(database.name, `${all} order by line`);
    return rows.map(({ line }) => line);
  }

  async function command(args: string, env: Readonly<Record<string, string>> = {}): Promise<void> {
    const { stdout, status, text } = await project.undrop(`${args} --json`, {
      env: { DATABASE_URL: database.url, ...env },
    });
    const { error } = JSON.parse(stdout);
    expect(error, text).not.to.equal(undefined);
    const thrown = new UndropError(error.code, error);
    expect(status).to.equal(exitCodeOf(thrown));
    throw thrown;
  }

  for (const [code, { prepare, act }] of Object.entries(ways)) {
    it(`${code} is raised, and nothing is changed`, async () => {
      const place: Place = { run, url: database.url, sql, command };
      const raised: { error?: unknown } = {};
      await said(async () => {
        await prepare?.(place);
        const before = await everything();
        await act(place).catch((error: unknown) => {
          raised.error = error;
        });
        expect(await everything()).to.deep.equal(before);
      });
      if (!isUndropError(raised.error) || raised.error.code !== code)
        throw raised.error ?? new Error('nothing');
      for (const part of ['subject', 'message', 'reason', 'next'] as const)
        expect(raised.error[part], part).not.to.equal('');
    });
  }
});
