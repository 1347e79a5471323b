import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { pruneArchive } from '../../src/archive/prune.ts';
import { attest } from '../../src/backup/take/attest.ts';
import { recordFacts } from '../../src/baseline/record-facts.ts';
import { reversibleDrop } from '../../src/index.ts';
import { settleEntries } from '../../src/restore/mark-restored.ts';
import { restoreArchive } from '../../src/restore/restore.ts';
import { exportArchive } from '../../src/script/export-archive.ts';
import { restoreDdl } from '../../src/script/replay.ts';
import { inSession } from '../../src/session/session.ts';
import { quietly } from '../../src/text/log.ts';
import { type Runner, refusalOf, runner, said } from '../support/migrate.ts';
import {
  type Node,
  nodeOf,
  startNode,
  subscribe,
  subscriberCaughtUp,
  unsubscribe,
} from '../support/nodes.ts';
import { nativeOrSkip, pgDump } from '../support/pg-dump.ts';
import { makeProject } from '../support/project.ts';
import type { TestServer } from '../support/server.ts';

const schema = `
  create table one (id int primary key, note text);
  create table two (id serial primary key, note text);`;

describe('the archive beside a publication', () => {
  let servers: { publisher: TestServer; subscriber: TestServer };
  let publisher: Node;
  let subscriber: Node;
  let run: Runner;
  let there: Runner;

  before(async () => {
    const [one, other] = await Promise.all([startNode(), startNode()]);
    servers = { publisher: one, subscriber: other };
  });

  after(async () => {
    await servers?.publisher.stop();
    await servers?.subscriber.stop();
  });

  beforeEach(async () => {
    publisher = nodeOf(servers.publisher, (await servers.publisher.createDatabase()).name);
    subscriber = nodeOf(servers.subscriber, (await servers.subscriber.createDatabase()).name);
    run = runner(servers.publisher.url(publisher.database));
    there = runner(servers.subscriber.url(subscriber.database));
    await publisher.sql(`${schema} insert into one values (1, 'x'); insert into two values (1, 'x')`);
    await subscriber.sql(schema);
  });

  afterEach(async () => {
    await run.end();
    await there.end();
    await servers.subscriber.dropDatabase(subscriber.database);
    await servers.publisher.dropDatabase(publisher.database);
  });

  const drop = (name: string, ...tables: string[]) => reversibleDrop({ name, tables, rows: 'copy' });

  const hasArchive = async ({ sql }: Node) =>
    (await sql<{ is: boolean }>(`select to_regnamespace('undrop') is not null as is`))[0]?.is;

  /** Persistence and readability of the tables of the archive: all are logged, so that a crash loses nothing. */
  const notLogged = () =>
    publisher.sql(`select relname, relkind from pg_class
      where relnamespace = 'undrop'::regnamespace and relkind in ('r', 'S') and relpersistence <> 'p'`);

  for (const publication of ['for all tables', 'for tables in schema public, undrop']) {
    it(`${publication}: no command publishes a row of it, and all of its tables stay logged`, async function () {
      const isSchema = publication.includes('schema');
      if (isSchema && servers.publisher.major < 15) return this.skip();
      if (isSchema) await publisher.sql('create schema undrop');
      await publisher.sql(`create publication p ${publication}`);
      await subscribe(publisher, subscriber, 'p');
      const steps: readonly (readonly [string, () => Promise<unknown>])[] = [
        ['backup --attest', () => inSession(run.knex, (session) => attest(session, 'a snapshot'))],
        ['preflight --record', () => recordFacts(run.knex, 'preflight --record')],
        ['up', () => run.up(drop('m', 'one', 'two'))],
        [
          'restore --table',
          () => inSession(run.knex, (session) => restoreArchive(session, { table: 'two' })),
        ],
        ['down of the rest', () => run.down(drop('m', 'one', 'two'))],
        ['up of nothing', () => run.up(reversibleDrop({ name: 'n', tables: ['zero'], missing: 'skip' }))],
        ['down of nothing', () => run.down(reversibleDrop({ name: 'n', tables: ['zero'], missing: 'skip' }))],
        ['up again', () => run.up(drop('m', 'one', 'two'))],
        ['restore', () => inSession(run.knex, (session) => restoreArchive(session, { migration: 'm' }))],
        ['up of an empty table', () => run.up(reversibleDrop({ name: 'e', tables: ['empty'] }))],
        ['a table made by hand', () => publisher.sql('create table empty (id int)')],
        ['restore --mark-restored', () => inSession(run.knex, (session) => settleEntries(session))],
        ['archive --prune', () => inSession(run.knex, (session) => pruneArchive(session, {}))],
      ];
      await publisher.sql('create table empty (id int)');
      for (const [step, act] of steps) {
        await quietly(act);
        await subscriberCaughtUp(publisher, subscriber).catch((error: Error) => {
          throw new Error(`${step}: ${error.message}`);
        });
        expect(await notLogged(), step).to.deep.equal([]);
      }
      expect(await publisher.sql('select count(*)::int as entries from undrop.drops')).to.deep.equal([
        { entries: 0 },
      ]);
      expect(await hasArchive(subscriber)).to.equal(false);
      await unsubscribe(publisher, subscriber);
    });
  }

  it('a restart after a crash, between up and down, loses nothing', async () => {
    await publisher.sql('create publication p for all tables');
    await quietly(() => run.up(drop('m', 'one', 'two')));
    await run.end();
    servers.publisher.restart('immediate');
    run = runner(servers.publisher.url(publisher.database));
    await quietly(() => run.down(drop('m', 'one', 'two')));
    servers.publisher.restart('immediate');
    expect(await publisher.sql('select * from one, two')).to.deep.equal([{ id: 1, note: 'x' }]);
  });

  it('two rollbacks at the same time: the second waits, and finds it done', async () => {
    await publisher.sql('create publication p for all tables');
    await quietly(() => run.up(drop('m', 'one', 'two')));
    await quietly(() => Promise.all([run.down(drop('m', 'one', 'two')), run.down(drop('m', 'one', 'two'))]));
    expect(await publisher.sql('select * from one, two')).to.deep.equal([{ id: 1, note: 'x' }]);
  });

  describe('on a subscriber', () => {
    const definitions = () =>
      pgDump(servers.publisher.url(publisher.database), ['--schema-only', '--schema=undrop']);

    it('only definitions: archive-foreign, until it begins its own', async () => {
      await quietly(() => run.up(drop('m', 'one')));
      await subscriber.sql(await definitions());
      const error = await refusalOf(there.up(drop('m', 'one')), 'archive-foreign');
      await subscriber.sql(/drop table .*/.exec(error.next)?.[0] ?? '');
      await quietly(() => there.up(drop('m', 'one')));
      await quietly(() => there.down(drop('m', 'one')));
    });

    it('copied by a subscription: archive-foreign, until it begins its own or takes over', async () => {
      await quietly(() => run.up(drop('m', 'one')));
      await subscriber.sql(await definitions());
      await publisher.sql('create publication p for all tables');
      await subscribe(publisher, subscriber, 'p');
      const error = await refusalOf(there.up(drop('n', 'two')), 'archive-foreign');
      expect(error.reason).to.include('undrop.drops has rows up to 1');
      // The publisher goes on meanwhile.
      await quietly(() => run.up(drop('n', 'two')));
      await quietly(() => run.down(drop('n', 'two')));
      await subscriberCaughtUp(publisher, subscriber);
      await unsubscribe(publisher, subscriber);
      // A switch-over: what the other database dropped is restored here.
      await subscriber.sql('drop table one');
      await subscriber.sql(/select setval\(.*/.exec(error.next)?.[0] ?? '');
      await quietly(() => there.down(drop('m', 'one')));
      await quietly(() => there.up(drop('n', 'two')));
      await quietly(() => there.down(drop('n', 'two')));
      expect(await subscriber.sql('select * from one, two')).to.deep.equal([{ id: 1, note: 'x' }]);
    });

    it('copied without the rows of dropped tables: archive-foreign, not damaged', async () => {
      await subscriber.sql(await definitions().catch(() => ''));
      await quietly(() => run.up(drop('m', 'one')));
      await subscriber.sql(await definitions());
      await subscriber.sql('drop table undrop.rows_1_1');
      await publisher.sql(
        'create publication p for table undrop.identity, undrop.drops, undrop.statements, undrop.facts, undrop.rows',
      );
      await subscribe(publisher, subscriber, 'p');
      await unsubscribe(publisher, subscriber);
      await subscriber.sql('drop table one');
      await refusalOf(there.down(drop('m', 'one')), 'archive-foreign');
    });
  });

  it('restore --from-ddl publishes no rows either', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'undrop-nodes-'));
    await publisher.sql('create table "odd ("" name" ("a (b" int); insert into "odd ("" name" values (1)');
    await subscriber.sql('create table "odd ("" name" ("a (b" int)');
    await publisher.sql('create publication p for all tables');
    await subscribe(publisher, subscriber, 'p');
    const migration = drop('m', 'one', 'two', '"odd ("" name"');
    try {
      await quietly(() => run.up(migration));
      await inSession(run.knex, (session) => exportArchive(session, folder, {}));
      const [file = ''] = readdirSync(folder).filter((name) => name.endsWith('.sql'));
      await quietly(() => inSession(run.knex, (session) => restoreDdl(session, join(folder, file))));
      await subscriberCaughtUp(publisher, subscriber);
      for (const table of ['one', 'two', '"odd ("" name"']) {
        const count = `select count(*)::int as rows from ${table}`;
        expect(await publisher.sql(count), table).to.deep.equal([{ rows: 1 }]);
        expect(await subscriber.sql(count), table).to.deep.equal([{ rows: 1 }]);
      }
    } finally {
      rmSync(folder, { recursive: true });
      await unsubscribe(publisher, subscriber);
    }
  });

  it('nor do backup, and restore --table from it', async function () {
    await nativeOrSkip(this, servers.publisher.major);
    const project = makeProject();
    await publisher.sql('create publication p for all tables');
    await subscribe(publisher, subscriber, 'p');
    const undrop = async (args: string) => {
      const ran = await project.undrop(args, {
        env: { DATABASE_URL: servers.publisher.url(publisher.database) },
      });
      expect(ran.status, ran.text).to.equal(0);
      await subscriberCaughtUp(publisher, subscriber);
      return JSON.parse(ran.stdout);
    };
    try {
      const { file } = await undrop('backup --json');
      await quietly(() => run.up(drop('m', 'one', 'two')));
      await undrop(`restore --from-backup ${file} --table one --json`);
      await quietly(() => run.down(drop('m', 'one', 'two')));
      await undrop('backup --prune --keep 1 --json');
      for (const node of [publisher, subscriber])
        expect(await node.sql('select * from one, two')).to.deep.equal([{ id: 1, note: 'x' }]);
      expect(await notLogged()).to.deep.equal([]);
    } finally {
      project.remove();
      await unsubscribe(publisher, subscriber);
    }
  });

  it('up names publications that include it: for all tables, and for its schema', async () => {
    const text = await said(async () => {
      await publisher.sql(
        'create publication everything for all tables; create publication two for table two',
      );
      await run.up(drop('m', 'one'));
    });
    expect(text).to.include('publications include the archive (everything): its rows are not published');
    if (servers.publisher.major < 15) return;
    const more = await said(async () => {
      await publisher.sql('create publication "its schema" for tables in schema undrop');
      await run.up(drop('n', 'two'));
    });
    expect(more).to.include('(everything, "its schema")');
  });

  it('that a publication lists on purpose is published', async () => {
    await quietly(() => run.up(drop('m', 'one')));
    await publisher.sql('create publication p for table undrop.drops');
    await quietly(() => run.down(drop('m', 'one')));
    await publisher.sql('create publication everything for all tables');
    await quietly(() => run.up(drop('n', 'two')));
    await quietly(() => run.down(drop('n', 'two')));
    expect(await notLogged()).to.deep.equal([]);
  });
});
