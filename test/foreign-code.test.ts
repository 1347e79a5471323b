import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { readEvidence } from '../src/audit/audit.ts';
import { countRows } from '../src/backup/dump/snapshot.ts';
import { planDrop, reversibleDrop } from '../src/index.ts';
import { migrationsIn } from '../src/migration/migrations.ts';
import { preflight } from '../src/preflight/preflight.ts';
import { readReport } from '../src/report/read-report.ts';
import { liveDdl } from '../src/script/ddl.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { inSession, type Session } from '../src/session/session.ts';
import { readStatus } from '../src/status/status.ts';
import { quietly } from '../src/text/log.ts';
import { verifyDatabase } from '../src/verify/verify.ts';
import { refusalOf } from './support/migrate.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { skip } from './support/skip.ts';
import { until } from './support/until.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('functions of other roles', () => {
  const server = useServer();
  let folder: string;

  before(async function () {
    if (server.embedded) skip(this, 'everybody is postgres in PGlite');
  });

  const { database, run, reopen } = useDatabase(server);

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-foreign-'));
    await run.knex.raw(`
      create role ${rolePrefix}_owner login;
      grant create, usage on schema public to ${rolePrefix}_owner`);
    const client = await server.client(database.name, `${rolePrefix}_owner`);
    await client.query(everywhere).finally(() => client.end());
  });

  afterEach(async () => {
    rmSync(folder, { recursive: true, force: true });
    await server.sql('postgres', `drop role if exists ${rolePrefix}_owner, ${rolePrefix}_reader`);
  });

  // The planner evaluates constant expressions. A sequence also counts calls that are
  // rolled back; in a read-only transaction, the call fails.
  const everywhere = `
    create sequence calls;
    create sequence calls_of_others;
    create function f(what text) returns boolean language plpgsql immutable as $$
    begin
      perform nextval(case current_user when '${rolePrefix}_owner' then 'public.calls' else 'public.calls_of_others' end);
      return true;
    end $$;
    create operator <? (function = f, rightarg = text);
    create table t (id int, note text);
    create index on t (id) where f('index predicate');
    create index on t ((id > 0 and f('index expression')));
    create table u (id int, note text);
    create statistics s on (id > 0 and f('statistics')), note from u;
    create table o (id int);
    create index on o (id) where <? 'operator';
    create table looks_like_a_ledger (id int, name text, batch int, migration_time timestamptz);
    create index on looks_like_a_ledger (id) where f('ledger');
    insert into t values (1), (2);
    insert into u values (1);
    insert into o values (1);
    insert into looks_like_a_ledger values (1, 'x', 1, now());
    create view v as select id, f('view') as f from t;
    create view w as select id from v where f('qualification');
    create materialized view m as select id, f('materialized view') as f from u;
    create view i as select id from t group by id having f('having');
    alter table o enable row level security;
    create policy p on o using (f('policy'));
    create view r as select * from o;`;

  const calls = async () =>
    (
      await server.sql<{ last: string | null }>(
        database.name,
        `select pg_sequence_last_value('calls_of_others')::text as last`,
      )
    )[0]?.last;

  it('are run by planning a query, so these tests can fail', async () => {
    for (const [index, what] of ['t', 'u', 'o', 'looks_like_a_ledger', 'v'].entries()) {
      await run.knex.raw(`explain select from ${what}`);
      expect(Number(await calls()), what).to.be.greaterThan(index);
    }
  });

  const looks: Readonly<Record<string, (session: Session) => Promise<unknown>>> = {
    verify: (session) => verifyDatabase(session),
    audit: (session) => readEvidence(session),
    preflight: (session) => preflight(session, migrationsIn(folder)),
    status: (session) => readStatus(session, migrationsIn(folder)),
    ddl: (session) => liveDdl(session, ['t', 'u', 'o']),
    'the counts of a backup': (session) =>
      countRows(
        session,
        ['t', 'u', 'o'].map((name) => ({ sql: `public.${name}`, hasRows: true })),
      ),
  };
  for (const [name, look] of Object.entries(looks)) {
    it(`are not run by ${name}`, async () => {
      await quietly(() => inSession(run.knex, look));
      await quietly(() => inReadOnlySession(run.knex, look));
      expect(await calls()).to.equal(null);
    });
  }

  it('are not run by planDrop, nor by a drop that is refused', async () => {
    const tables = ['t', 'u', 'o', 'looks_like_a_ledger'];
    const plan = await planDrop(run.knex, { name: '1', tables, dependents: 'cascade' });
    expect(plan.filled).to.deep.equal([
      { identity: 'public.looks_like_a_ledger', found: '1 row' },
      { identity: 'public.o', found: '1 row' },
      { identity: 'public.t', found: '2 rows' },
      { identity: 'public.u', found: '1 row' },
    ]);
    await refusalOf(run.up(reversibleDrop({ name: '1', tables, dependents: 'cascade' })), 'not-empty');
    expect(await calls()).to.equal(null);
  });

  it('are not run by an audit, which still counts the rows', async () => {
    const { tables, counts } = await inSession(run.knex, readEvidence);
    const rows = Object.fromEntries(tables.map(({ name, oid }) => [name, counts.get(oid)?.rows]));
    expect(rows).to.deep.equal({ t: 2, u: 1, o: 1, looks_like_a_ledger: 1 });
    await run.knex.raw(`insert into t select n from generate_series(1, 40000) as n`);
    const later = await inSession(run.knex, readEvidence);
    const oid = tables.find(({ name }) => name === 't')?.oid ?? 0;
    expect(later.counts.get(oid)).to.include({
      empty: null,
      found: 'reading it would run functions of other roles',
    });
  });

  it('are not run by verify, which reports views that cannot be parsed or were not checked', async () => {
    const views = async () => {
      const { checks } = await inReadOnlySession(run.knex, (session) => verifyDatabase(session));
      return checks.find(({ name }) => name === 'views can be parsed');
    };
    const all = 'public.i, public.m, public.r, public.v, public.w';
    expect(await views()).to.deep.include({ state: 'ok', found: all });
    await run.knex.raw(`
      create role ${rolePrefix}_reader;
      grant select on o to ${rolePrefix}_reader;
      alter view r owner to ${rolePrefix}_reader;
      create policy itself on o using (exists (select from o));`);
    expect(await views()).to.deep.include({
      state: 'failed',
      found: 'public.r: infinite recursion detected in policy for relation "o"',
    });
    await run.knex.raw('drop policy itself on o; create schema closed; alter view w set schema closed');
    await reopen(server.url(database.name, `${rolePrefix}_owner`));
    expect(await views()).to.deep.include({
      state: 'ok',
      found:
        'public.i, public.m, public.r, public.v; not checked: closed.w: permission denied for schema closed',
    });
  });

  it('are not reported as broken if the check was cancelled', async () => {
    const other = await server.client(database.name);
    try {
      await other.query('begin; lock table v in access exclusive mode');
      const verified = inReadOnlySession(run.knex, (session) => verifyDatabase(session));
      const refused = refusalOf(verified, 'server-error');
      const cancel = `select pg_cancel_backend(pid) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      await until(async () => (await server.sql(database.name, cancel)).length > 0);
      expect((await refused).message).to.match(/^The server cancelled a statement/);
    } finally {
      await other.end();
    }
  });

  it('are not run by the report', async () => {
    await quietly(() =>
      readReport(run.knex, { project: migrationsIn(folder), root: folder, expect: undefined }),
    );
    expect(await calls()).to.equal(null);
  });
});
