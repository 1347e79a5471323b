import { expect } from 'chai';
import { reversibleDrop } from '../../src/index.ts';
import { quietly } from '../../src/text/log.ts';
import { type Runner, runner } from '../support/migrate.ts';
import { type Node, nodeOf, startNode } from '../support/nodes.ts';
import { wholeText } from '../support/pg-dump.ts';
import type { TestServer } from '../support/server.ts';

describe('a table with partitions on two shards', () => {
  let servers: TestServer[] = [];
  let shards: Node[];
  let coordinator: Node;
  let run: Runner;

  before(async () => {
    servers = await Promise.all([startNode(), startNode(), startNode()]);
    const [first, ...others] = servers as [TestServer, ...TestServer[]];
    coordinator = nodeOf(first, (await first.createDatabase()).name);
    shards = [];
    for (const server of others) shards.push(nodeOf(server, (await server.createDatabase()).name));
    run = runner(first.url(coordinator.database));
    await coordinator.sql(
      `create extension postgres_fdw; create table events (id int, note text) partition by hash (id)`,
    );
    for (const [index, { server, database, sql }] of shards.entries()) {
      await sql('create table events_part (id int, note text)');
      const { host, port } = server.config(database);
      await coordinator.sql(
        `create server shard_${index} foreign data wrapper postgres_fdw
           options (host '${host}', port '${port}', dbname '${database}');
         create user mapping for current_user server shard_${index} options (user 'postgres');
         create foreign table events_${index} partition of events
           for values with (modulus 3, remainder ${index}) server shard_${index} options (table_name 'events_part')`,
      );
    }
    await coordinator.sql(
      `create table events_local partition of events for values with (modulus 3, remainder 2);
       insert into events select n, 'event ' || n from generate_series(1, 30) as n`,
    );
  });

  after(async () => {
    await run?.end();
    for (const server of servers) await server.stop();
  });

  const rows = ({ sql }: Node, table: string) => sql(`select * from ${table} order by id`);

  it('is dropped and restored, and the rows on the shards stay there', async () => {
    const before = {
      text: await wholeText(coordinator.server.url(coordinator.database)),
      rows: await rows(coordinator, 'events'),
    };
    expect(before.rows).to.have.lengthOf(30);
    const onShards = await Promise.all(shards.map((shard) => rows(shard, 'events_part')));
    const migration = reversibleDrop({ name: 'm', tables: ['events'], rows: 'copy' });
    await quietly(() => run.up(migration));
    expect(await coordinator.sql(`select to_regclass('events_local') is null as gone`)).to.deep.equal([
      { gone: true },
    ]);
    expect(await Promise.all(shards.map((shard) => rows(shard, 'events_part')))).to.deep.equal(onShards);
    await quietly(() => run.down(migration));
    expect(await rows(coordinator, 'events')).to.deep.equal(before.rows);
    expect(await wholeText(coordinator.server.url(coordinator.database))).to.equal(before.text);
  });
});
