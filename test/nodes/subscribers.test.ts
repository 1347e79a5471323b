import { expect } from 'chai';
import { reversibleDrop } from '../../src/index.ts';
import type { DropOptions } from '../../src/options/options.ts';
import { quietly } from '../../src/text/log.ts';
import { type Runner, refusalOf, runner } from '../support/migrate.ts';
import {
  type Node,
  nodeOf,
  refresh,
  startNode,
  subscribe,
  subscriberCaughtUp,
  unsubscribe,
} from '../support/nodes.ts';
import { pgDump, wholeText } from '../support/pg-dump.ts';
import type { TestServer } from '../support/server.ts';

/** Kinds of publications: what stands after `create publication p`, and the first server with it. */
const publications: readonly { kind: string; since: number }[] = [
  { kind: 'for all tables', since: 14 },
  { kind: 'for all tables with (publish_via_partition_root)', since: 14 },
  { kind: 'for tables in schema app', since: 15 },
  { kind: 'for tables in schema app with (publish_via_partition_root)', since: 15 },
  { kind: 'for table app.gone, app.parts, app.stays', since: 14 },
  {
    kind: 'for table app.gone, app.parts, app.stays with (publish_via_partition_root)',
    since: 14,
  },
];

/** What happens to the rows of the dropped tables. */
const modes: readonly { rows: NonNullable<DropOptions['rows']>; filled: boolean; words: string }[] = [
  { rows: 'copy', filled: true, words: 'copied rows' },
  { rows: 'move', filled: true, words: 'moved tables' },
  { rows: 'refuse', filled: false, words: 'no rows' },
];

const keys = [true, false];

// Half of the combinations contain each pair of publication, keys and rows. UNDROP_CASES=all tests all of them.
const all = process.env.UNDROP_CASES === 'all';

/** Partitions in a schema that no publication names are published through their parent. */
const schemaOf = (keyed: boolean) => `
  create schema app;
  create schema parts;
  create table app.stays (id int primary key, note text);
  create table app.gone (id int ${keyed ? 'generated always as identity primary key' : ''}, note text, big text);
  alter table app.gone alter big set storage external;
  create table app.parts (id int ${keyed ? 'primary key' : ''}, note text) partition by range (id);
  create table parts.low partition of app.parts for values from (0) to (100);
  create table app.high partition of app.parts for values from (100) to (200);`;

const fill = (keyed: boolean) => `
  insert into app.gone ${keyed ? '(note, big)' : ''}
    select ${keyed ? '' : 'n,'} 'row ' || n, repeat('x', 5000) from generate_series(1, 20) as n;
  insert into app.parts select n * 10, 'part ' || n from generate_series(0, 19) as n;`;

const more = (keyed: boolean) => `
  insert into app.gone ${keyed ? '(note, big)' : ''} select ${keyed ? '' : '99,'} 'new', 'y';
  insert into app.parts values (7, 'new'), (107, 'new');
  insert into app.stays values (1, 'new');`;

describe('subscribers', () => {
  let servers: { publisher: TestServer; subscriber: TestServer };
  let publisher: Node;
  let subscriber: Node;
  let run: Runner;

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
  });

  afterEach(async () => {
    await run.end();
    await unsubscribe(publisher, subscriber);
    await servers.subscriber.dropDatabase(subscriber.database);
    await servers.publisher.dropDatabase(publisher.database);
  });

  const rowsOf = async ({ sql }: Node, table: string) =>
    (await sql<{ row: string }>(`select t::text as row from ${table} as t order by 1`)).map(({ row }) => row);

  /** Compares the rows of all tables, after the subscriber has applied everything. */
  const expectSameRows = async () => {
    await subscriberCaughtUp(publisher, subscriber);
    for (const table of ['app.gone', 'app.parts', 'app.stays'])
      expect(await rowsOf(subscriber, table), table).to.deep.equal(await rowsOf(publisher, table));
  };

  const prepare = async (publication: string, keyed: boolean, filled: boolean) => {
    await publisher.sql(schemaOf(keyed));
    await subscriber.sql(schemaOf(keyed));
    if (filled) await publisher.sql(fill(keyed));
    await publisher.sql(`create publication p ${publication}`);
    await subscribe(publisher, subscriber, 'p');
  };

  const archiveSchema = ({ server, database }: Node) =>
    pgDump(server.url(database), ['--schema-only', '--schema=undrop']);

  const cleanup = (rows: NonNullable<DropOptions['rows']>) =>
    reversibleDrop({ name: 'cleanup', tables: ['app.gone', 'app.parts'], rows });

  for (const [publication, { kind, since }] of publications.entries()) {
    for (const [key, keyed] of keys.entries()) {
      for (const [mode, { rows, filled, words }] of modes.entries()) {
        if (!all && (publication + key + mode) % 2 === 1) continue;
        it(`${kind}, ${keyed ? 'with' : 'without'} keys, ${words}`, async function () {
          if (servers.publisher.major < since) return this.skip();
          await prepare(kind, keyed, filled);
          await expectSameRows();
          const before = await wholeText(servers.publisher.url(publisher.database));
          const kept = await rowsOf(subscriber, 'app.gone');
          const migration = cleanup(rows);
          for (let turn = 0; turn < 2; turn++) {
            await quietly(() => run.up(migration));
            await publisher.sql('insert into app.stays values (10)');
            await publisher.sql('delete from app.stays where id = 10');
            await subscriberCaughtUp(publisher, subscriber);
            expect(await rowsOf(subscriber, 'app.gone'), 'rows that the publisher dropped').to.deep.equal(
              kept,
            );
            await quietly(() => run.down(migration));
            await expectSameRows();
          }
          expect(await wholeText(servers.publisher.url(publisher.database))).to.equal(before);
          await publisher.sql(more(keyed));
          await expectSameRows();
          expect(await rowsOf(subscriber, 'app.gone')).to.have.lengthOf(filled ? 21 : 1);
        });
      }
    }
  }

  for (const { kind, since } of publications.slice(0, 5)) {
    it(`${kind}: a refresh between drop and restore, and one without copy_data after it`, async function () {
      if (servers.publisher.major < since) return this.skip();
      await prepare(kind, true, true);
      const migration = cleanup('copy');
      await quietly(() => run.up(migration));
      // The subscriber needs the definitions of the archive, where it is published.
      if (kind.startsWith('for all tables')) await subscriber.sql(await archiveSchema(publisher));
      await refresh(subscriber);
      await quietly(() => run.down(migration));
      await refresh(subscriber, 'with (copy_data = false)');
      await expectSameRows();
      await publisher.sql(more(true));
      await expectSameRows();
    });
  }

  it('a plain refresh between drop and restore, with the table emptied on the subscriber', async () => {
    await prepare('for table app.gone, app.parts, app.stays', true, true);
    await quietly(() => run.up(cleanup('copy')));
    await refresh(subscriber);
    await quietly(() => run.down(cleanup('copy')));
    await subscriber.sql('truncate app.gone, app.parts');
    await refresh(subscriber);
    await expectSameRows();
  });

  it('a drop on the subscriber: refused while it receives the table, then restored by its own down', async () => {
    await prepare('for table app.gone, app.parts, app.stays', true, true);
    const there = runner(servers.subscriber.url(subscriber.database));
    try {
      const error = await refusalOf(there.up(cleanup('copy')), 'not-reproducible');
      expect(error.reason).to.include('subscription');
      await quietly(() => run.up(cleanup('copy')));
      await refresh(subscriber);
      await quietly(() => there.up(cleanup('copy')));
      await quietly(() => there.down(cleanup('copy')));
      await quietly(() => run.down(cleanup('copy')));
      await refresh(subscriber, 'with (copy_data = false)');
      await expectSameRows();
      await publisher.sql(more(true));
      await expectSameRows();
    } finally {
      await there.end();
    }
  });
});
