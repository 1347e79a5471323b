import { expect } from 'chai';
import { recordFacts } from '../src/baseline/record-facts.ts';
import { reversibleDrop } from '../src/index.ts';
import { inSession } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { type Verification, verifyDatabase } from '../src/verify/verify.ts';
import { inCase } from './support/case-folders.ts';
import { type Runner, withEnvironment } from './support/migrate.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { type Change, changes, changesOfKept, type Outcome, schema } from './support/single-changes.ts';
import { useServer } from './support/use-database.ts';

const migration = reversibleDrop({
  name: '044',
  tables: ['app.old', 'app.old_ref', 'app.old_part'],
  dependents: 'cascade',
  rows: 'copy',
});

const quiet = <T>(work: () => Promise<T>) => withEnvironment({ UNDROP_BACKUP: 'off' }, () => quietly(work));
const verify = ({ knex }: Pick<Runner, 'knex'>, strict = false) =>
  inSession(knex, (session) => verifyDatabase(session, { strict }));

describe('single changes', () => {
  const server = useServer();
  // Those of kept tables take as long as all others.
  const all = process.env.UNDROP_CASES === 'all' ? [...changes, ...changesOfKept] : changes;

  it(`are found by verify: ${all.length} changes`, async () => {
    await inCase(server, schema, async (run) => {
      await quiet(() => run.up(migration));
      await recordFacts(run.knex, 'a test');
      await quiet(() => run.down(migration));
      const { ok, checks } = await verify(run, true);
      expect(ok, JSON.stringify(checks)).to.equal(true);
      const found: string[][] = [];
      const wrong: string[] = [];
      // The embedded server has no library for replication.
      const possible = all.filter(({ name }) => !server.embedded || name !== 'subscriptions');
      for (const change of possible) {
        const [outcome, text] = judge(change, await verifyAfter(run, change));
        found.push([change.what, outcome]);
        if (outcome !== change.outcome) wrong.push(`${change.what}: ${outcome}: ${text}`);
      }
      if (process.env.UNDROP_VERIFY === 'table') process.stdout.write(format(found));
      expect(wrong).to.deep.equal([]);
    });
  });
});

async function verifyAfter({ knex }: Runner, { sql }: Change): Promise<Verification> {
  const undo = new Error('undo');
  let verification: Verification | undefined;
  await knex
    .transaction(async (transaction) => {
      await transaction.raw(sql);
      verification = await verify({ knex: transaction });
      throw undo;
    })
    .catch((error: unknown) => {
      if (error !== undo) throw new Error(`${sql}: ${error}`);
    });
  if (verification === undefined) throw new Error(`no verification after: ${sql}`);
  return verification;
}

function judge({ name }: Change, { ok, checks }: Verification): [Outcome | 'wrong', string] {
  const others = foundBy(checks, 'nothing else changed');
  const isNamed = others.split('; since ')[0]?.includes(name) === true;
  const isListed = foundBy(checks, 'not looked at').split(', ').includes(name);
  if (isNamed) return [ok ? 'named' : 'failed', others];
  return [ok && isListed ? 'not looked at' : 'wrong', others];
}

function foundBy(checks: Verification['checks'], name: string): string {
  return checks.find((check) => check.name === name)?.found ?? '';
}

function format(found: readonly string[][]): string {
  const shown = (outcome = '') => (outcome === 'failed' ? 'named and failed' : outcome);
  const rows = found.map(([what = '', outcome]) => `| ${what} | ${shown(outcome)} |`);
  return `${['| change | verify |', '| --- | --- |', ...rows].join('\n')}\n`;
}

describe('verify of what a drop has moved', () => {
  const server = useServer();
  const drop = (name: string, ...tables: string[]) =>
    reversibleDrop({ name, tables, dependents: 'cascade', rows: 'copy' });
  const changed = async (run: Runner) => {
    const { ok, checks } = await verify(run);
    return `${ok}: ${foundBy(checks, 'nothing else changed').split('; since ')[0]}`;
  };

  it('compares a survivor with the archive, and lists it as compared in part', async () => {
    const tables = `
      create table a (id serial primary key);
      create table b (n int default nextval('a_id_seq'))`;
    await inCase(server, tables, async (run) => {
      await recordFacts(run.knex, 'a test');
      await quiet(() => run.up(drop('m', 'a')));
      expect(await changed(run)).to.match(/^true: .*of which compared in part: table column public\.b\.n/);
      await run.knex.raw('alter table b alter n set default 7');
      expect(await changed(run)).to.match(/^false: changed: table column public\.b\.n; /);
      await run.knex.raw('alter table b alter n drop default; create sequence a_id_seq');
      expect(await changed(run)).to.match(/^false: changed: sequence public\.a_id_seq; /);
    });
  });

  it('follows drops and restores in their order', async () => {
    const tables = `
      create table a (id int primary key);
      create table b (id int primary key references a);
      create table c (id int references b)`;
    await inCase(server, tables, async (run) => {
      await quiet(() => run.up(drop('1', 'b')));
      await quiet(() => run.up(drop('2', 'a')));
      await recordFacts(run.knex, 'a test');
      await quiet(() => run.down(drop('2', 'a')));
      await quiet(() => run.down(drop('1', 'b')));
      expect(await changed(run)).to.match(/^true: \d+ objects unchanged; explained by 2: \d+, by 1: \d+$/);
      await quiet(() => run.up(drop('3', 'a')));
      expect(await changed(run)).to.match(/^true: /);
      await quiet(() => run.down(drop('3', 'a')));
      expect(await changed(run)).to.match(/^true: /);
      await run.knex.raw('alter table b drop constraint b_id_fkey');
      expect(await changed(run)).to.match(/^false: missing: table constraint b_id_fkey on public\.b; /);
    });
  });

  it('recognizes the comment on a schema with a quoted name', async () => {
    await inCase(server, 'create schema "order"; create table "order".a ()', async (run) => {
      await recordFacts(run.knex, 'a test');
      await quiet(() => run.up(reversibleDrop({ name: 'm', tables: ['"order".a'], schemaComment: 'Less.' })));
      expect(await changed(run)).to.match(/^true: \d+ objects unchanged; explained by m: \d+$/);
    });
  });

  it('does not report a role that owned dropped tables only', async () => {
    const tables = `
      create role ${rolePrefix}_former;
      create table a (id int);
      create table b (id int);
      alter table a owner to ${rolePrefix}_former`;
    await inCase(server, tables, async (run) => {
      await recordFacts(run.knex, 'a test');
      await quiet(() => run.up(drop('m', 'a')));
      const { checks } = await verify(run, true);
      const check = checks.find(({ name }) => name === 'nothing else changed');
      expect(check?.state, check?.found).to.equal('ok');
    });
  });
});

describe('verify without a check that passed', () => {
  const server = useServer();
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
