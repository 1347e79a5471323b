import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import knexLib from 'knex';
import type pg from 'pg';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import { exportArchive } from '../src/script/export-archive.ts';
import { restoreDdl } from '../src/script/replay.ts';
import { pins } from '../src/session/pinned-settings.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { inSession } from '../src/session/session.ts';
import { verifyDatabase } from '../src/verify/verify.ts';
import { type Runner, refusalOf, runner } from './support/migrate.ts';
import { skip } from './support/skip.ts';
import { useDatabase, useServer } from './support/use-database.ts';

const psql = process.env.PSQL ?? '/usr/lib/postgresql/15/bin/psql';

/** Why settings need not be pinned: by category, or by name if only some of a category are meant. */
const unpinned: Readonly<Record<string, readonly string[]>> = {
  'planning and resources': [
    ...['Genetic Query Optimizer', 'Other Planner Options', 'Planner Cost Constants'],
    ...[
      'Planner Method Configuration',
      'Asynchronous Behavior',
      'Worker Processes',
      'I/O',
      'Memory',
      'Disk',
      'Time',
    ],
    ...[
      'force_parallel_mode',
      'debug_parallel_query',
      'jit_expressions',
      'jit_tuple_deforming',
      'jit_dump_bitcode',
    ],
    'debug_discard_caches',
  ],
  'logging, statistics and display': [
    ...['What to Log', 'When to Log', 'Process Title', 'Monitoring', 'Cumulative Query and Index Statistics'],
    'Query and Index Statistics Collector',
    ...['trace_notify', 'trace_sort', 'backtrace_functions', 'lc_messages'],
  ],
  storage: [
    ...[
      'Settings',
      'Sending Servers',
      'Cost-Based Vacuum Delay',
      'Vacuuming',
      'Freezing',
      'Default Behavior',
    ],
    ...['gin_pending_list_limit', 'temp_tablespaces', 'wal_consistency_checking', 'file_copy_method'],
    ...[
      'vacuum_failsafe_age',
      'vacuum_freeze_min_age',
      'vacuum_freeze_table_age',
      'vacuum_multixact_failsafe_age',
    ],
    ...['vacuum_multixact_freeze_min_age', 'vacuum_multixact_freeze_table_age'],
    'debug_logical_replication_streaming',
  ],
  'it can only cause an error': [
    ...[
      'Lock Management',
      'Connection Settings',
      'TCP Settings',
      'exit_on_error',
      'statement_timeout',
      'lock_timeout',
    ],
    ...['idle_session_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout'],
  ],
  'it has an effect only when a session or transaction starts': [
    ...['default_transaction_deferrable', 'default_transaction_isolation', 'default_transaction_read_only'],
    ...[
      'transaction_deferrable',
      'transaction_isolation',
      'transaction_read_only',
      'Shared Library Preloading',
    ],
  ],
  'it concerns objects that a restore does not create': [
    ...[
      'Authentication',
      'File Locations',
      'dynamic_library_path',
      'extension_control_path',
      'createrole_self_grant',
    ],
    ...[
      'icu_validation_level',
      'allow_in_place_tablespaces',
      'allow_system_table_mods',
      'lo_compat_privileges',
    ],
  ],
  'event triggers are up to the administrator': ['event_triggers'],
  'user code runs with the settings of its caller': [
    ...['default_text_search_config', 'lc_numeric', 'lc_time', 'xmlbinary', 'gin_fuzzy_search_limit'],
  ],
  'it concerns literals that this package does not write': [
    ...['backslash_quote', 'escape_string_warning', 'timezone_abbreviations'],
  ],
  'it is set separately, for the order of rows': ['synchronize_seqscans'],
  'it is set separately, so that views can be read': ['restrict_nonsystem_relation_kind'],
  'it is set only if it is not safe': [
    ...[
      'session_replication_role',
      'zero_damaged_pages',
      'ignore_checksum_failure',
      'composite_type_mismatch',
    ],
  ],
};

describe('settings', () => {
  const server = useServer();

  const { database, run } = useDatabase(server);

  const migration = reversibleDrop({ name: 'm', tables: ['t'], rows: 'copy' });
  /** A Knex whose connections start with these statements. */
  const runnerAfter = (sql: string, url = database.url): Runner => {
    const afterCreate = (client: pg.Client, done: (error: Error | null, client: pg.Client) => void) =>
      client.query(sql, (error) => done(error, client));
    const knex = knexLib({ client: 'pg', connection: url, pool: { min: 0, max: 1, afterCreate } });
    return {
      knex,
      up: (one) => knex.transaction((transaction) => one.up(transaction)),
      down: (one) => knex.transaction((transaction) => one.down(transaction)),
      rows: async (text) => (await knex.raw(text)).rows,
      end: () => knex.destroy(),
    };
  };

  it('are all pinned, or have a reason not to be', async () => {
    const known = new Set(
      [...Object.values(unpinned).flat(), ...Object.keys(pins)].map((name) => name.toLowerCase()),
    );
    const settings = await run.rows<{ name: string; category: string }>(`
      select name, category from pg_settings
      where context in ('user', 'superuser') and not starts_with(category, 'Customized')`);
    const others = settings.filter(
      ({ name, category }) =>
        !known.has(name.toLowerCase()) && !known.has(category.replace(/^.* \/ /, '').toLowerCase()),
    );
    expect(others).to.deep.equal([]);
    expect(settings.length).to.be.greaterThan(100);
  });

  describe('that change how literals are read', () => {
    const strange = 'set array_nulls = off; set xmloption = document; set standard_conforming_strings = off';
    const schema = `
      create table t (id int primary key, a text[] default '{a,NULL,"NULL"}', n int[] default '{1,NULL}',
        x xml default '<a/>b', s text default E'a\\\\b');
      insert into t (id) values (1), (2)`;
    const read = () =>
      run.rows(`select id, a, n, x::text, s, a is null or a[2] is null as "isNull" from t order by id`);

    it('do not affect a drop and its restore', async () => {
      await run.knex.raw(schema);
      const before = await read();
      const other = runnerAfter(strange);
      try {
        await other.up(migration);
        await other.down(migration);
      } finally {
        await other.end();
      }
      await run.knex.raw('insert into t (id) values (3)');
      expect(await read()).to.deep.equal([...before, { ...(before[0] as object), id: 3 }]);
    });

    for (const how of ['psql', 'restore --from-ddl'] as const) {
      it(`do not affect a file that ${how} replays`, async function () {
        if (how === 'psql' && !existsSync(psql)) skip(this, `there is no ${psql}`);
        await run.knex.raw(schema);
        const before = await read();
        await run.up(migration);
        const folder = mkdtempSync(join(tmpdir(), 'undrop-settings-'));
        const other = runnerAfter(strange);
        try {
          const [exported] = await inReadOnlySession(run.knex, (session) =>
            exportArchive(session, folder, {}),
          );
          const file = exported?.file ?? '';
          if (how === 'psql') {
            const args = ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', database.url, '-c', strange, '-f', file];
            await promisify(execFile)(psql, args);
          } else await inSession(other.knex, (session) => restoreDdl(session, file));
        } finally {
          await other.end();
          rmSync(folder, { recursive: true });
        }
        await run.knex.raw('insert into t (id) values (3)');
        expect(await read()).to.deep.equal([...before, { ...(before[0] as object), id: 3 }]);
      });
    }
  });

  it('of the encoding do not affect text that is not ASCII', async () => {
    await run.knex.raw(`create table t (id int, "größe" text default 'größe');
      comment on table t is 'größe'; create schema "ö"; create table "ö"."ä" (id int)`);
    const read = () =>
      run.rows(`select a.attname, pg_get_expr(d.adbin, d.adrelid) as default, obj_description('t'::regclass) as comment
        from pg_attribute as a join pg_attrdef as d on (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
        where a.attrelid = 't'::regclass`);
    const before = await read();
    const other = runnerAfter(`set client_encoding = 'LATIN1'; set search_path = public, "ö"`);
    try {
      await other.up(migration);
      await other.down(migration);
      expect(await other.rows('show client_encoding')).to.deep.equal([{ client_encoding: 'LATIN1' }]);
    } finally {
      await other.end();
    }
    expect(await read()).to.deep.equal(before);
  });

  it('are reset after a drop in the same transaction', async () => {
    await run.knex.raw('create table t (id int)');
    const strange = {
      array_nulls: 'off',
      xmloption: 'document',
      client_encoding: 'LATIN1',
      session_replication_role: 'replica',
      zero_damaged_pages: 'on',
      datestyle: 'German, DMY',
      search_path: 'public, pg_catalog',
    };
    const read = `select name, setting from pg_settings where not starts_with(category, 'Customized') order by 1`;
    await run.knex.transaction(async (transaction) => {
      for (const [name, value] of Object.entries(strange)) await transaction.raw(`set ${name} = ${value}`);
      const before = (await transaction.raw(read)).rows;
      await migration.up(transaction);
      expect((await transaction.raw(read)).rows).to.deep.equal(before);
    });
  });

  it('that forbid views do not affect verify, nor a drop and its restore', async function () {
    const [known] = await run.rows(
      `select 1 from pg_settings where name = 'restrict_nonsystem_relation_kind'`,
    );
    if (known === undefined) skip(this, 'this server has no restrict_nonsystem_relation_kind');
    await run.knex.raw(`create table t (id int); insert into t values (1); create view v as select * from t;
      create materialized view m as select * from v; create view other as select 1 as one`);
    const forbidding = `set restrict_nonsystem_relation_kind = 'view, foreign-table'`;
    const other = runnerAfter(forbidding);
    const cascading = reversibleDrop({ name: 'm', tables: ['t'], rows: 'copy', dependents: 'cascade' });
    try {
      const { checks } = await inReadOnlySession(other.knex, (session) => verifyDatabase(session));
      expect(checks.find(({ name }) => name === 'views can be parsed')).to.include({ state: 'ok' });
      await other.up(cascading);
      await other.down(cascading);
      expect(await other.rows('show restrict_nonsystem_relation_kind')).to.deep.equal([
        { restrict_nonsystem_relation_kind: 'view, foreign-table' },
      ]);
    } finally {
      await other.end();
    }
    expect(await run.rows('select * from m')).to.deep.equal([{ id: 1 }]);
  });

  describe('with which the server skips checks', () => {
    it('are made safe until the end of the drop', async () => {
      await run.knex.raw('set session_replication_role = replica; set ignore_checksum_failure = on');
      const read = (name: string) =>
        inSession(run.knex, (session) => session.read(`select current_setting('${name}')`));
      expect(await read('session_replication_role')).to.deep.equal([{ current_setting: 'origin' }]);
      expect(await read('ignore_checksum_failure')).to.deep.equal([{ current_setting: 'off' }]);
    });

    it('are refused if the role may not set them, unless it only reads', async () => {
      const role = `settings_${process.pid}`;
      await run.knex.raw(
        `create role ${role} login; alter role ${role} set session_replication_role = replica`,
      );
      const other = runner(server.url(database.name, role));
      try {
        const error = await refusalOf(other.up(migration), 'insufficient-privilege');
        expect(error.message).to.equal(`The role ${role} may not set session_replication_role to origin.`);
        expect(error.reason).to.include('session_replication_role = replica');
        await inReadOnlySession(other.knex, (session) => session.read('select 1'));
      } finally {
        await other.end();
        await run.knex.raw(`drop role ${role}`);
      }
    });
  });
});
