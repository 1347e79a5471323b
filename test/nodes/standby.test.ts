import { expect } from 'chai';
import { reversibleDrop } from '../../src/index.ts';
import { quietly } from '../../src/text/log.ts';
import { type Runner, refusalOf, runner } from '../support/migrate.ts';
import { standbyCaughtUp, startNode, startStreaming } from '../support/nodes.ts';
import { wholeText } from '../support/pg-dump.ts';
import { makeProject, type Project } from '../support/project.ts';
import type { TestServer } from '../support/server.ts';
import { until } from '../support/until.ts';

const schema = `
  create table stays (id int primary key, note text);
  create table gone (id int generated always as identity primary key, stays_id int references stays, note text);
  insert into stays values (1, 'x');
  insert into gone (stays_id, note) select 1, 'row ' || n from generate_series(1, 1000) as n;
  create table keyless (note text);
  insert into keyless values ('a'), ('a'), (null);`;

describe('a primary with a standby', () => {
  let primary: TestServer;
  let standby: TestServer;
  let project: Project;
  let run: Runner;
  const database = 'app';

  const migration = reversibleDrop({ name: 'cleanup', tables: ['gone', 'keyless'], rows: 'copy' });

  before(() => {
    project = makeProject();
  });

  after(() => project.remove());

  beforeEach(async () => {
    primary = await startNode();
    await primary.createDatabase(database);
    await primary.sql(database, schema);
    standby = await startStreaming(primary);
    run = runner(primary.url(database));
  });

  afterEach(async () => {
    await run.end();
    await standby.stop();
    await primary.stop();
  });

  const text = (server: TestServer) => wholeText(server.url(database));

  const expectSameOnStandby = async () => {
    await standbyCaughtUp(primary, standby);
    expect(await text(standby)).to.equal(await text(primary));
  };

  for (const publication of ['no publication', 'create publication everything for all tables']) {
    it(`${publication}: the standby follows up and down, and both survive a crash`, async () => {
      if (publication.startsWith('create')) await primary.sql(database, publication);
      const before = await text(primary);
      await quietly(() => run.up(migration));
      await expectSameOnStandby();
      await quietly(() => run.down(migration));
      await expectSameOnStandby();
      expect(await text(standby)).to.equal(before);
      await run.end();
      primary.restart('immediate');
      expect(await text(primary)).to.equal(before);
      standby.restart('immediate');
      await expectSameOnStandby();
    });

    it(`${publication}: a failover between up and down`, async () => {
      if (publication.startsWith('create')) await primary.sql(database, publication);
      const before = await text(primary);
      await quietly(() => run.up(migration));
      await standbyCaughtUp(primary, standby);
      await run.end();
      await primary.stop();
      await standby.sql('postgres', 'select pg_promote()');
      await until(async () => {
        const [row] = await standby.sql('postgres', 'select pg_is_in_recovery() as standby');
        return row?.standby === false;
      });
      run = runner(standby.url(database));
      await quietly(() => run.down(migration));
      expect(await text(standby)).to.equal(before);
      // It drops and restores as its predecessor did.
      await quietly(() => run.up(migration));
      await quietly(() => run.down(migration));
      expect(await text(standby)).to.equal(before);
    });
  }

  it('preflight on the standby says that it is one, and exits 3, as up would refuse', async () => {
    await primary.sql(database, 'create table organizations (); create table users (id int)');
    const preflight = (server: TestServer) =>
      project.undrop('preflight --json', {
        env: {
          DATABASE_URL: server.url(database),
          UNDROP_BACKUP: 'off',
          APPROVED_DROPS: 'organizations',
        },
      });
    // On the primary, the lock of another session is reported.
    const other = await primary.client(database);
    await other.query('begin; select * from organizations');
    await standbyCaughtUp(primary, standby);
    const gates = async (server: TestServer) => {
      const { status, stdout } = await preflight(server);
      const { migrations } = JSON.parse(stdout);
      const { gates } = migrations.find(({ migration }: { migration: string }) => migration.includes('045'));
      const of = (name: string) => gates.find(({ gate }: { gate: string }) => gate === name);
      return { status, server: of('server'), locks: of('locks') };
    };
    const there = await gates(primary);
    expect(there.server).to.equal(undefined);
    expect(there.locks.state).to.equal('held');
    await other.end();
    const here = await gates(standby);
    expect(here.status).to.equal(3);
    expect(here.server.state).to.equal('refused');
    expect(here.server.found).to.include('is a standby');
    expect(here.locks.state).to.equal('off');
    expect(here.locks.found).to.include('not visible');
    const { text: shown } = await project.undrop('preflight', {
      env: { DATABASE_URL: standby.url(database), UNDROP_BACKUP: 'off' },
    });
    expect(shown).to.match(/unsupported-server: .* is read-only/);
    const refused = runner(standby.url(database));
    await refusalOf(refused.up(migration), 'unsupported-server').finally(() => refused.end());
  });
});
