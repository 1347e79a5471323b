import { expect } from 'chai';
import { readBlockers } from '../src/locks/blockers.ts';
import { inSession } from '../src/session/session.ts';
import { runner, withEnvironment } from './support/migrate.ts';
import { oidsOf } from './support/oracle.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { skip } from './support/skip.ts';
import { until } from './support/until.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('the holders of locks', () => {
  const server = useServer();
  const { database, run, another } = useDatabase(
    server,
    'create table kept (id int); create table gone (id int)',
    {
      shared: true,
    },
  );

  before(function () {
    if (server.embedded) skip(this, 'PGlite has no other sessions');
  });

  const waits = async (name: string) =>
    (await run.rows(`select from pg_locks where not granted and relation = '${name}'::regclass`)).length > 0;

  it('name holders once for each lock, those who wait for an exclusive one, and their queries if wanted', async () => {
    const holder = await another('begin; lock table kept, gone in share mode');
    const waiter = await another(`begin; set application_name = 'app'`);
    const waiting = waiter.query('lock table kept in access exclusive mode').catch(() => undefined);
    await until(() => waits('kept'));
    await inSession(run.knex, async (session) => {
      const oids = await oidsOf(session, ['gone', 'kept']);
      const all = await readBlockers(session, oids);
      expect(all.relations).to.have.members(['public.gone', 'public.kept']);
      expect(all.lines).to.have.length(2);
      for (const line of all.lines)
        expect(line).to.match(
          /^public\.(gone|kept): pid \d+ \(postgres\) holds ShareLock, in a transaction of [\d.]+ s$/,
        );
      expect(all.next).to.equal('');

      const exclusive = await readBlockers(session, oids, { onlyExclusive: true });
      expect(exclusive.lines).to.have.length(1);
      expect(exclusive.lines[0]).to.match(
        /^public\.kept: pid \d+ \(postgres, app\) waits for AccessExclusiveLock, in a transaction of [\d.]+ s$/,
      );

      const shown = await withEnvironment({ UNDROP_SHOW_QUERIES: '1' }, () => readBlockers(session, oids));
      expect(shown.lines[0]).to.match(/ s: begin; lock table kept, gone in share mode$/);
      const hidden = await withEnvironment({ UNDROP_SHOW_QUERIES: '0' }, () => readBlockers(session, oids));
      expect(hidden.lines).to.deep.equal(all.lines);
    });
    await holder.query('rollback');
    await waiting;
  });

  it('name prepared transactions once, with the statements that end them', async () => {
    for (const gid of ['one', 'two'])
      await another(`begin; lock table kept, gone in access share mode; prepare transaction '${gid}'`);
    try {
      await inSession(run.knex, async (session) => {
        const { lines, next } = await readBlockers(session, await oidsOf(session, ['gone', 'kept']));
        expect(lines).to.have.length(4);
        expect(next).to.equal(
          ' A prepared transaction holds its locks until it is committed or rolled back: ' +
            `rollback prepared 'one'; rollback prepared 'two'`,
        );
      });
    } finally {
      for (const gid of ['one', 'two']) await run.knex.raw(`rollback prepared '${gid}'`);
    }
  });

  it('do not say how long a session has held a lock whose state the role may not see', async () => {
    await another('begin; lock table kept in share mode');
    await server.sql('postgres', `create role ${rolePrefix}_lock_owner login`);
    const owner = runner(server.url(database.name, `${rolePrefix}_lock_owner`));
    const [kept] = await run.rows<{ oid: number }>(`select 'kept'::regclass::oid::int as oid`);
    try {
      await inSession(owner.knex, async (session) => {
        const { lines } = await readBlockers(session, [kept?.oid ?? 0]);
        expect(lines).to.have.length(1);
        expect(lines[0]).to.match(/^public\.kept: pid \d+ \(.*\) holds ShareLock$/);
      });
    } finally {
      await owner.end();
      await server.sql('postgres', `drop role ${rolePrefix}_lock_owner`);
    }
  });
});
