import { expect } from 'chai';
import { auditEvidence, readEvidence } from '../src/audit/audit.ts';
import { planDrop, reversibleDrop } from '../src/index.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { refusalOf, said } from './support/migrate.ts';
import type { TestDatabase } from './support/server.ts';
import { skip } from './support/skip.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('rows of foreign tables', () => {
  const server = useServer();

  const { database, run } = useDatabase(server);

  const drop = (rows: 'copy' | 'refuse') => reversibleDrop({ name: 'm', tables: ['p'], rows });

  async function verdictOn(name: string) {
    const evidence = await inReadOnlySession(run.knex, readEvidence);
    const { tables } = auditEvidence(evidence, [], null, undefined);
    const found = tables.find((table) => table.name === name);
    if (found === undefined) throw new Error(`${name} is not in the audit`);
    return found;
  }

  describe('that can be read', () => {
    let shards: TestDatabase[];

    beforeEach(async function () {
      const [available] = await run.rows(`select from pg_available_extensions where name = 'postgres_fdw'`);
      if (available === undefined) skip(this, 'postgres_fdw is not installed');
      shards = [await server.createDatabase(), await server.createDatabase()];
      await run.knex.raw('create extension postgres_fdw; create table p (id int) partition by range (id)');
      const { host, port, user } = server.config(database.name);
      for (const [index, shard] of shards.entries()) {
        await server.sql(shard.name, 'create table part (id int)');
        await run.knex.raw(`
          create server "Shard ${index}" foreign data wrapper postgres_fdw
            options (host '${host}', port '${port}', dbname '${shard.name}');
          create user mapping for current_user server "Shard ${index}" options (user '${user}');
          create foreign table p${index} partition of p for values from (${index}0) to (${index}9)
            server "Shard ${index}" options (table_name 'part')`);
      }
    });

    afterEach(async () => {
      await run.end();
      for (const { name } of [database, ...(shards ?? [])]) await server.dropDatabase(name);
    });

    const rowsOf = async (index: number) =>
      (await server.sql(shards[index]?.name ?? '', 'select id from part order by id')).length;

    it('refuse a drop with rows: refuse, and name table and server', async () => {
      await run.knex.raw('insert into p values (11), (12)');
      const { filled } = await planDrop(run.knex, { name: 'm', tables: ['p'] });
      const found = 'has rows on server "Shard 1"';
      expect(filled).to.deep.equal([{ identity: 'public.p1', found, server: '"Shard 1"' }]);
      const refusal = await refusalOf(run.up(drop('refuse')), 'not-empty');
      expect(refusal.reason).to.equal(`public.p1: ${found}`);
      expect(refusal.next).to.include('Rows of foreign tables stay on their server.');
      expect(await rowsOf(1)).to.equal(2);
    });

    it('do not refuse a drop if there are none', async () => {
      await run.up(drop('refuse'));
      await run.down(drop('refuse'));
      expect(
        await run.rows('select c.relname from pg_class as c where c.relnamespace = 2200 order by 1'),
      ).to.have.length(3);
    });

    it('stay where they are with rows: copy, which up says', async () => {
      await run.knex.raw('insert into p values (1), (11), (12)');
      const lines = await said(() => run.up(drop('copy')));
      expect(lines).to.include(
        'm: rows of foreign tables are not copied, and stay where they are: ' +
          'those of public.p0 on server "Shard 0", those of public.p1 on server "Shard 1"',
      );
      expect([await rowsOf(0), await rowsOf(1)]).to.deep.equal([1, 2]);
      await run.down(drop('copy'));
      expect(await run.rows('select id from p order by id')).to.have.length(3);
    });

    it('are unknown if the server cannot be reached, or does not answer in time', async () => {
      await server.sql(shards[1]?.name ?? '', 'drop table part');
      const gone = await refusalOf(run.up(drop('refuse')), 'not-empty');
      expect(gone.reason).to.match(/^public\.p1: may have rows, which could not be read \(.*\), on server/);
      const blocking = await server.client(shards[0]?.name ?? '');
      await blocking.query('begin; lock table part');
      const slow = await refusalOf(run.up(drop('refuse')), 'not-empty');
      await blocking.end();
      expect(slow.reason).to.match(/^public\.p0: may have rows.*on server "Shard 0"\npublic\.p1: may have/);
    });

    it('are unknown to audit', async () => {
      const found = await verdictOn('p');
      expect(found).to.include({ empty: null, rows: null, verdict: 'keep' });
      expect(found.why).to.include('public.p0 on server "Shard 0" is a foreign table, which may have rows');
      await run.knex.raw(
        'create table p2 partition of p for values from (20) to (29); insert into p values (20)',
      );
      expect(await verdictOn('p')).to.include({ empty: false, rows: null, verdict: 'keep' });
    });
  });

  it('are unknown if nothing can read them', async () => {
    await run.knex.raw(`
      create foreign data wrapper d;
      create server far foreign data wrapper d;
      create table p (id int) partition by range (id);
      create foreign table p1 partition of p for values from (0) to (9) server far`);
    expect(await verdictOn('p')).to.include({ empty: null, verdict: 'keep' });
    const refusal = await refusalOf(run.up(drop('refuse')), 'not-empty');
    expect(refusal.reason).to.match(
      /^public\.p1: may have rows, which could not be read \(.*\), on server far$/,
    );
    await run.up(drop('copy'));
    await run.down(drop('copy'));
  });

  it('of children are found, too', async () => {
    await run.knex.raw(`
      create foreign data wrapper d;
      create server far foreign data wrapper d;
      create table p (id int);
      create foreign table c () inherits (p) server far`);
    expect((await verdictOn('p')).why).to.include('foreign table public.c');
    const options = { name: 'm', tables: ['p'], dependents: 'cascade' as const };
    const refusal = await refusalOf(run.up(reversibleDrop(options)), 'not-empty');
    expect(refusal.reason).to.match(/^public\.c: may have rows/);
  });
});
