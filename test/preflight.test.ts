import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import createKnex, { type Knex } from 'knex';
import stringWidth from 'string-width';
import { seed } from '../seeds/01_turing.ts';
import { optionalTables } from '../seeds/turing/names.ts';
import { migrationsIn } from '../src/migration/migrations.ts';
import { readApprovals } from '../src/options/approvals.ts';
import { parseOptions } from '../src/options/options.ts';
import { formatPreflight, formatPreflightMarkdown } from '../src/preflight/format.ts';
import { type MigrationPreflight, type Preflight, preflight } from '../src/preflight/preflight.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { up } from '../src/up/up.ts';
import { refusalOf, withEnvironment } from './support/migrate.ts';
import { makeProject, type Project } from './support/project.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { useServer } from './support/use-database.ts';

const root = join(import.meta.dirname, '..');
const migrations = join(root, 'migrations');
const cleanup = '044_cleanup_legacy_tables';
const optional = '045_cleanup_optional_tables';

describe('preflight', () => {
  const server = useServer();
  let seeded: string;
  let folder: string;
  const made: string[] = [];

  before(async () => {
    folder = mkdtempSync(join(root, '.preflight-'));
    seeded = await database();
    const knex = createKnex({ client: 'pg', connection: server.config(seeded) });
    await seed(knex).finally(() => knex.destroy());
  });

  after(async () => {
    for (const name of made) await server.dropDatabase(name);
    rmSync(folder, { recursive: true });
  });

  async function database(template?: string): Promise<string> {
    const { name } = await server.createDatabase(undefined, template === undefined ? {} : { template });
    made.push(name);
    return name;
  }

  async function withKnex<T>(name: string, work: (knex: Knex) => Promise<T>, user?: string): Promise<T> {
    const knex = createKnex({ client: 'pg', connection: server.config(name, user) });
    return work(knex).finally(() => knex.destroy());
  }

  function look(
    name: string,
    env: NodeJS.ProcessEnv = {},
    from = migrations,
    user?: string,
  ): Promise<Preflight> {
    return withEnvironment({ UNDROP_BACKUP: 'off', ...env }, () =>
      withKnex(
        name,
        (knex) => inReadOnlySession(knex, (session) => preflight(session, migrationsIn(from))),
        user,
      ),
    );
  }

  const of = ({ migrations }: Preflight, name: string): MigrationPreflight => {
    const found = migrations.find(({ migration }) => migration === name);
    if (found === undefined) throw new Error(`${name} is not pending`);
    return found;
  };
  const gateOf = (one: MigrationPreflight, name: string) => one.gates.find(({ gate }) => gate === name);

  /** Creates a folder with one migration. */
  function migration(options: object): string {
    const own = mkdtempSync(join(folder, 'migrations-'));
    const index = pathToFileURL(join(root, 'src/index.ts')).href;
    writeFileSync(
      join(own, 'm.ts'),
      `import { reversibleDrop } from '${index}';
       export const { up, down, ready } = reversibleDrop(${JSON.stringify({ name: 'm', ...options })});`,
    );
    return own;
  }

  it('predicts the results of 044 and 045', async () => {
    const found = await look(seeded);
    expect(found.failure).to.equal(undefined);
    const first = of(found, cleanup);
    expect(first.state).to.equal('goes');
    expect(first.tables).to.have.length(6);
    expect(first.gates.map(({ state }) => state)).not.to.include('refused');
    expect(first.closure.filter(({ kind }) => kind === 'table')).to.have.length(6);
    expect(first.statements.map(({ sql }) => sql).join()).to.include('create table public.production_runs');
    expect(first.locks).to.include.members(['public.production_runs', 'public.postings', 'public.profiles']);
    const second = of(found, optional);
    expect(second.state).to.equal('waits');
    expect(second.tables.map(({ table, approved }) => [table, approved])).to.deep.equal(
      optionalTables.map((table) => [table, false]),
    );
    const text = formatPreflight(found, false);
    expect(text.split('\n').filter((line) => stringWidth(line) > 100)).to.deep.equal([]);
    for (const { table, fingerprint } of second.tables) expect(text).to.include(`${table}@${fingerprint}`);
    expect(formatPreflight(found, true)).to.include('create table public.production_runs');
    expect(formatPreflightMarkdown(found)).to.include('```sql\n').and.include(`### \`${cleanup}\``);
  });

  it('prints a fingerprint that is valid until the table changes', async () => {
    const name = await database(seeded);
    const before = await look(name);
    const { table, fingerprint } = of(before, optional).tables[2] ?? { table: '', fingerprint: '' };
    expect(table).to.equal('organizations');
    const env = { APPROVED_DROPS: `${table}@${fingerprint}`, APPROVED_BY: 'the owner', APPROVAL_NOTE: 'go' };
    const approved = of(await look(name, env), optional);
    expect(approved.state).to.equal('goes');
    expect(approved.closure.filter(({ kind }) => kind === 'table')).to.have.length(1);
    expect(gateOf(approved, 'approval')?.found).to.equal('1 of 3 tables approved by the owner');

    await server.sql(name, 'alter table organizations add column note text');
    const stale = await look(name, env);
    expect(stale.failure?.code).to.equal('approval-stale');
    expect(gateOf(of(stale, optional), 'approval')?.state).to.equal('refused');
    const options = {
      name: optional,
      tables: ['organizations'],
      approval: 'each-table' as const,
    };
    const run = (variables: NodeJS.ProcessEnv) =>
      withEnvironment(variables, () => withKnex(name, (knex) => up(knex, parseOptions(options))));
    await refusalOf(run(env), 'approval-stale');

    const fresh = of(stale, optional).tables.find((one) => one.table === 'organizations')?.fingerprint;
    expect(fresh).not.to.equal(fingerprint);
    const start = Date.now();
    await run({ ...env, APPROVED_DROPS: `organizations@${fresh}` });
    const [kept] = await server.sql<{ approvals: Record<string, string>[] }>(
      name,
      'select approvals from undrop.drops',
    );
    const { at, ...rest } = kept?.approvals[0] ?? {};
    expect(rest).to.deep.equal({ table: 'organizations', fingerprint: fresh, by: 'the owner', note: 'go' });
    expect(Date.parse(at ?? '')).to.be.within(start, Date.now());
  });

  it('reports all refusals at once', async () => {
    const name = await database(seeded);
    await server.sql(
      name,
      `create view needs as select * from production_runs;
       insert into workflow_dependencies (workflow_id, depends_on_workflow_id) values (1, 2);
       drop table career_analyses; create view career_analyses as select 1 as x;
       create sequence no_table`,
    );
    const from = migration({
      tables: ['production_runs', 'workflow_dependencies', 'career_analyses', 'no_table', 'nowhere'],
      backup: 'required',
    });
    const { failure, migrations: all } = await look(name, { UNDROP_BACKUP: '' }, from);
    const [one] = all;
    const codes = one?.gates.flatMap(({ refusals }) => refusals.map(({ code }) => code));
    expect(codes).to.deep.equal([
      'not-a-table',
      'not-a-table',
      'missing-table',
      'backup-missing',
      'has-dependents',
      'not-empty',
    ]);
    expect(failure?.reason).to.equal(
      `${one?.migration}: not-a-table, missing-table, backup-missing, has-dependents, not-empty`,
    );
    const printed = formatPreflight({ migrations: all }, false).replaceAll(/\s+/g, ' ');
    for (const { message } of one?.gates.flatMap(({ refusals }) => refusals) ?? [])
      expect(printed.split(message), message).to.have.length(2);
    expect(one?.tables.map(({ table }) => table)).to.deep.equal(['production_runs', 'workflow_dependencies']);
  });

  it('finds nothing to look at where no table exists', async () => {
    const from = migration({ tables: { nowhere: 'First line\n  second line' }, backup: 'required' });
    const { migrations: all } = await look(await database(), { UNDROP_BACKUP: '' }, from);
    const states = all[0]?.gates.map(({ gate, state, found }) => [gate, state, found]).slice(3);
    expect(states?.map(([gate]) => gate)).to.deep.equal([
      'backup',
      'rights',
      'dependents',
      'rows',
      'restore',
      'locks',
    ]);
    for (const [gate, ...rest] of states ?? [])
      expect(rest, gate).to.deep.equal(['off', 'nothing to look at']);
  });

  it('prints a reason of several lines in one', async () => {
    const from = migration({ tables: { organizations: 'First line\n  second line' } });
    const { migrations: all } = await look(await database(seeded), {}, from);
    expect(formatPreflight({ migrations: all }, false)).to.include('First line second line');
  });

  it('lists enabled event triggers', async () => {
    const name = await database(seeded);
    await server.sql(
      name,
      `create function public.note() returns event_trigger language plpgsql as 'begin end';
       create event trigger noted on ddl_command_end execute function public.note();
       create event trigger off on ddl_command_end execute function public.note();
       alter event trigger off disable`,
    );
    const [one] = (await look(name)).migrations;
    if (one === undefined) throw new Error('nothing is pending');
    expect(gateOf(one, 'restore')?.found).to.match(
      /^\d+ statements\. Enabled event triggers: noted \(ddl_command_end, public\.note\), which may/,
    );
    await server.dropDatabase(name);
  });

  it('reports missing privileges and the sessions that hold locks', async () => {
    const name = await database();
    await server.sql(
      name,
      `drop role if exists ${rolePrefix}_owner; create role ${rolePrefix}_owner login;
       create schema closed; grant usage on schema closed to ${rolePrefix}_owner;
       create table closed.target (id int primary key);
       create table closed.mine (id int references closed.target);
       create table closed.theirs (id int); revoke all on schema public from public;
       alter table closed.mine owner to ${rolePrefix}_owner; revoke references on closed.target from ${rolePrefix}_owner`,
    );
    const blocker = await server.client(name);
    await blocker.query('begin; lock table closed.mine in row exclusive mode');
    const from = migration({ tables: ['closed.mine', 'closed.theirs'], schemaComment: 'x' });
    const { failure, migrations: all } = await look(name, {}, from, `${rolePrefix}_owner`);
    await blocker.end();
    const [one] = all;
    if (one === undefined) throw new Error('nothing is pending');
    const lacks = gateOf(one, 'rights')?.refusals[0]?.reason ?? '';
    expect(lacks.split('\n')).to.deep.equal([
      `create on database ${name}, for the schema undrop`,
      'create on schema closed, to recreate the tables',
      'ownership of schema closed, to comment on it',
      'references on closed.target, to recreate mine_id_fkey',
    ]);
    expect(gateOf(one, 'tables')?.refusals[0]?.reason).to.include('Only the owner');
    expect(gateOf(one, 'locks')?.state).to.equal('held');
    expect(gateOf(one, 'locks')?.found).to.match(/closed\.mine: pid \d+ .*RowExclusiveLock/);
    expect(failure?.code).to.equal('insufficient-privilege');
    await server.dropDatabase(name);
    await server.sql('postgres', `drop role ${rolePrefix}_owner`);
  });

  it('reports tables that were already dropped, and names that were reused since', async () => {
    const name = await database(seeded);
    const options = { tables: ['organizations'] };
    const from = migration(options);
    await withKnex(name, (knex) => up(knex, parseOptions({ name: 'm', ...options })));
    expect((await look(name, {}, from)).migrations[0]?.state).to.equal('done');
    await server.sql(name, 'create table organizations (id int)');
    const { failure, migrations: all } = await look(name, {}, from);
    expect(all[0]?.state).to.equal('refused');
    expect(failure?.code).to.equal('name-taken');
  });

  it('is empty if no migration is pending', async () => {
    const empty = join(folder, 'empty');
    mkdirSync(empty);
    const found = await look(seeded, {}, empty);
    expect(found.migrations).to.deep.equal([]);
    expect(formatPreflight(found, false)).to.equal('No migration of reversibleDrop is pending.\n');
  });

  it('changes nothing', async () => {
    await look(seeded);
    expect(await server.sql(seeded, `select to_regnamespace('undrop')::text as undrop`)).to.deep.equal([
      { undrop: null },
    ]);
  });

  it('refuses a misspelt approval', async () => {
    const error = await refusalOf(look(seeded, { APPROVED_DROPS: 'organisations' }), 'bad-options');
    expect(error.message).to.include('organisations');
  });

  it('parses approvals of any name', () => {
    const approvals = readApprovals({ APPROVED_DROPS: '"a,b"@0123abcd, app."c@d" ,e@01234567' });
    expect([...approvals.values()].map(({ table, fingerprint }) => ({ table, fingerprint }))).to.deep.equal([
      { table: '"a,b"', fingerprint: '0123abcd' },
      { table: 'app."c@d"', fingerprint: undefined },
      { table: 'e', fingerprint: '01234567' },
    ]);
    for (const text of ['"a', 'a"b,c', '@01234567']) {
      expect(() => readApprovals({ APPROVED_DROPS: text }), text).to.throw('is not an approval');
    }
  });

  describe('the command', () => {
    let project: Project;
    before(() => {
      project = makeProject();
    });
    after(() => project.remove());

    it('exits with 3 if up would refuse, otherwise with 0', async () => {
      const env = { DATABASE_URL: server.url(seeded) };
      const [refused, fine] = await Promise.all([
        project.undrop('preflight --json', { env }),
        project.undrop('preflight', { env: { ...env, UNDROP_BACKUP: 'off' } }),
      ]);
      expect(refused.status).to.equal(3);
      const given = JSON.parse(refused.stdout);
      expect(given).to.include({ formatVersion: 1, command: 'preflight', database: seeded });
      expect(given.error.code).to.equal('backup-missing');
      expect(given.migrations).to.have.length(2);
      expect(fine.status, fine.text).to.equal(0);
      expect(fine.stdout).to.include(`${cleanup}: up would drop its tables`);
    });
  });
});
