import { expect } from 'chai';
import { inSession } from '../src/session/session.ts';
import { type Verification, verifyDatabase } from '../src/verify/verify.ts';
import { inCase } from './support/case-folders.ts';
import type { Runner } from './support/migrate.ts';
import { type TestServer, testServer } from './support/server.ts';

const verify = ({ knex }: Pick<Runner, 'knex'>, strict = false) =>
  inSession(knex, (session) => verifyDatabase(session, { strict }));

function foundBy(checks: Verification['checks'], name: string): string {
  return checks.find((check) => check.name === name)?.found ?? '';
}

describe('verify without a check that passed', () => {
  let server: TestServer;
  before(async () => {
    server = await testServer();
  });

  it('fails if nothing could be checked', async () => {
    await inCase(server, 'create table a ()', async (run) => {
      const { ok, checks, failure } = await verify(run);
      expect([...new Set(checks.map(({ state }) => state))]).to.deep.equal(['not checked']);
      expect([ok, failure?.code]).to.deep.equal([false, 'not-verified']);
    });
  });

  it('does not report a materialized view without rows as parsed, nor a view that reads it', async () => {
    const views = `
      create materialized view empty as select 1 as one with no data;
      create view above as select one from empty;
      create materialized view filled as select 1 as one`;
    await inCase(server, views, async (run) => {
      const found = foundBy((await verify(run)).checks, 'views can be parsed');
      const reason = 'cannot be queried, a materialized view is not populated';
      expect(found).to.equal(`public.filled; not checked: public.above: ${reason}, public.empty: ${reason}`);
      await run.knex.raw('drop materialized view filled');
      const check = (await verify(run)).checks.find(({ name }) => name === 'views can be parsed');
      expect(check?.state).to.equal('not checked');
    });
  });
});
