import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { down as down044 } from '../migrations/044_cleanup_legacy_tables.ts';
import { up as up045 } from '../migrations/045_cleanup_optional_tables.ts';
import { succeeded } from './support/command.ts';
import { runner, withEnvironment } from './support/migrate.ts';
import { nativeOrSkip, wholeText } from './support/pg-dump.ts';
import { makeProject, type Project } from './support/project.ts';
import type { TestDatabase } from './support/server.ts';
import { useServer } from './support/use-database.ts';

const legacy = [
  'production_runs',
  'test_cases_history',
  'career_analyses',
  'dialogue_step_placeholders',
  'trigger_executions',
  'workflow_scripts',
];
const optional = ['interaction_lineage', 'workflow_dependencies', 'organizations'];
const all = optional.join(',');

describe('the whole procedure', () => {
  let project: Project;
  const server = useServer();
  let seeded: TestDatabase;
  let database: TestDatabase;
  /** UNDROP_BACKUP=off, except in tests of backups, which need pg_dump. */
  let env: Record<string, string>;
  let untouched: string;

  before(async () => {
    project = makeProject();
    seeded = await server.createDatabase();
    const ran = await project.knex('seed:run', { env: { DATABASE_URL: seeded.url } });
    expect(ran).to.include({ status: 0, stdout: 'Ran 1 seed files\n' });
    untouched = await dump(seeded);
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

  const dump = ({ url }: TestDatabase) => wholeText(url);

  const values = async <T>(sql: string): Promise<T[]> =>
    (await server.sql<{ value: T }>(database.name, sql)).map(({ value }) => value);

  const tables = (schema = 'public') =>
    values<string>(`select tablename as value from pg_tables where schemaname = '${schema}' order by 1`);

  const comment = async () =>
    (await values<string | null>(`select obj_description('public'::regnamespace) as value`))[0];

  const ledger = () => values<string>('select name as value from undrop.knex_migrations order by id');

  const knex = (command: string, more: Record<string, string> = {}) =>
    succeeded(project.knex(command, { env: { ...env, ...more } }));

  async function expectUntouched(): Promise<void> {
    expect(await tables()).to.have.length(74);
    expect(await comment()).to.equal('standard public schema');
    expect(await dump(database)).to.equal(untouched);
  }

  it('is backup, latest, verify, rollback, after which nothing has changed', async function () {
    await nativeOrSkip(this, server.major);
    env = { DATABASE_URL: database.url };
    const where = `Database: ${database.name} at 127.0.0.1:`;

    const backup = await project.undrop('backup', { env });
    expect(backup.status, backup.text).to.equal(0);
    expect(backup.stderr).to.include(where);
    const [file = ''] = readdirSync(join(project.folder, 'backups'));
    expect(file).to.match(/^by_pre_cleanup_\d{8}_\d{6}\.dump$/);
    expect(backup.stdout).to.include(file).and.include('proved');
    expect(statSync(join(project.folder, 'backups', file)).mode & 0o777).to.equal(0o600);

    const latest = await knex('migrate:latest');
    expect(latest.stdout).to.equal('Batch 1 run: 1 migrations\n');
    expect(latest.stderr).to.include('044_cleanup_legacy_tables: 6 tables dropped');
    expect(await comment()).to.match(
      /^Migration 044 \(Nov 24, 2025\): Deleted 6 legacy tables \(production_runs, /,
    );

    const verify = await project.undrop('verify --expect 68', { env });
    expect(verify.status, verify.text).to.equal(0);
    expect(verify.stdout.match(/^ok /gm), verify.stdout).to.have.length(5);
    const wrong = await project.undrop('verify --expect 74', { env });
    expect(wrong.status).to.equal(1);
    expect(wrong.stderr).to.include('count-differs: ').and.include('68 in public; expected 74');

    const status = await project.undrop('status', { env });
    expect(status.stdout)
      .to.match(/completed +044_cleanup_legacy_tables/)
      .and.match(/waiting +045/);
    expect(status.stdout)
      .to.match(/ open /)
      .and.include(file);

    const rollback = await knex('migrate:rollback');
    expect(rollback.stdout).to.equal('Batch 1 rolled back: 1 migrations\n');
    await expectUntouched();
  });

  it('counts 74, 68 and 65 tables, with migrations table and archive only in undrop', async () => {
    const count = async () => (await project.undrop('count-tables', { env })).stdout.split('\n').length - 1;
    const before = await tables();
    expect(await count()).to.equal(74);

    await knex('migrate:latest');
    expect(await count()).to.equal(68);
    expect(await tables()).to.deep.equal(before.filter((name) => !legacy.includes(name)));
    expect(await ledger()).to.deep.equal(['044_cleanup_legacy_tables']);

    await knex('migrate:latest', { APPROVED_DROPS: all });
    expect(await count()).to.equal(65);
    expect(await tables()).to.deep.equal(before.filter((name) => ![...legacy, ...optional].includes(name)));
    expect(
      await values(`select distinct schemaname as value from pg_tables
      where schemaname <> all (array['public', 'pg_catalog', 'information_schema'])`),
    ).to.deep.equal(['undrop']);
    expect(await tables('undrop')).to.include.members(['drops', 'facts', 'knex_migrations', 'statements']);

    await knex('migrate:rollback --all');
    await expectUntouched();
  });

  it('drops only the approved one of three tables, and restores it without approvals in the environment', async () => {
    const before = await tables();
    await knex('migrate:latest', { APPROVED_DROPS: 'organizations' });
    const gone = before.filter((name) => !legacy.includes(name) && name !== 'organizations');
    expect(await tables()).to.deep.equal(gone);
    const list = await knex('migrate:list');
    expect(list.stdout).to.include('Found 2 Completed Migration').and.include('045_cleanup_optional_tables');
    expect((await knex('migrate:rollback')).stdout).to.equal('Batch 1 rolled back: 2 migrations\n');
    await expectUntouched();
  });

  it('does nothing the second time, and reports what 045 waits for', async () => {
    await knex('migrate:latest');
    const again = await knex('migrate:latest');
    expect(again.stdout).to.equal('Already up to date\n');
    const list = await knex('migrate:list');
    expect(list.stderr).to.include(
      '045_cleanup_optional_tables waits for approval of ' +
        'interaction_lineage, workflow_dependencies, organizations in APPROVED_DROPS or by undrop approve\n',
    );
    expect(list.stdout).to.include('Found 1 Completed').and.include('No Pending Migration files Found.');
  });

  it('works with --disable-transactions, in a transaction of its own', async () => {
    await server.sql(database.name, 'insert into organizations (organization_name) values ($$in the way$$)');
    const refused = await project.knex('migrate:latest --disable-transactions', {
      env: { ...env, APPROVED_DROPS: all },
    });
    expect(refused.status).to.equal(1);
    expect(refused.stderr).to.include('not-empty: ');
    expect(await ledger()).to.deep.equal(['044_cleanup_legacy_tables']);
    expect(await tables())
      .to.have.length(68)
      .and.include.members(optional);
    await server.sql(database.name, 'delete from organizations');

    await knex('migrate:latest --disable-transactions', { APPROVED_DROPS: all });
    expect(await tables()).to.have.length(65);
    await knex('migrate:rollback --all --disable-transactions');
    expect(await tables()).to.have.length(74);
    expect(await ledger()).to.deep.equal([]);
  });

  it('goes up and down one migration at a time', async () => {
    const list = await knex('migrate:list');
    const [, name = ''] = /Found 1 Pending .*\n(\S+)\n/.exec(list.stdout) ?? [];
    await knex(`migrate:up ${name}`);
    expect(await tables()).to.have.length(68);
    await knex('migrate:up', { APPROVED_DROPS: all });
    expect(await tables()).to.have.length(65);
    await knex('migrate:down');
    expect(await ledger()).to.deep.equal(['044_cleanup_legacy_tables']);
    expect(await tables()).to.have.length(68);
    await knex('migrate:down');
    await expectUntouched();
  });

  it('rolls back 044 too where 045, pending with it, is refused', async () => {
    await server.sql(database.name, 'insert into organizations (organization_name) values ($$in the way$$)');
    const before = await dump(database);
    const refused = await project.knex('migrate:latest', {
      env: { ...env, APPROVED_DROPS: 'organizations' },
    });
    expect(refused.status).to.equal(1);
    expect(refused.stderr).to.include('not-empty: public.organizations is not empty.');
    expect(await dump(database)).to.equal(before);
    expect(await ledger()).to.deep.equal([]);
  });

  it('continues after a rollback was killed between the restore and the migrations table', async () => {
    await knex('migrate:latest');
    const killed = runner(database.url);
    await killed.down({ up: down044, down: down044 });
    await killed.end();
    await server.sql(database.name, 'update undrop.knex_migrations_lock set is_locked = 1');
    expect(await ledger()).to.deep.equal(['044_cleanup_legacy_tables']);

    await knex('migrate:unlock');
    const rollback = await knex('migrate:rollback');
    expect(rollback.stderr).to.match(/044_cleanup_legacy_tables: already restored on .*; nothing to do/);
    expect(await ledger()).to.deep.equal([]);
    await expectUntouched();
  });

  it('continues after latest was killed between the drop and the migrations table', async () => {
    await withEnvironment({ UNDROP_BACKUP: 'off', APPROVED_DROPS: 'organizations' }, async () => {
      const killed = runner(database.url);
      await killed.up({ up: up045, down: up045 });
      await killed.end();
    });
    const latest = await knex('migrate:latest', { APPROVED_DROPS: 'organizations' });
    expect(latest.stderr).to.match(/045_cleanup_optional_tables: already dropped on .*; nothing to do/);
    expect(await tables()).to.have.length(67);
    await knex('migrate:rollback');
    await expectUntouched();
  });
});
