import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { KeptRows } from '../src/archive/kept-rows.ts';
import { digestOf, headSql } from '../src/archive/seal.ts';
import type { Statement } from '../src/capture/capture.ts';
import type { Fact } from '../src/catalog/facts/facts.ts';
import { planDrop } from '../src/migration/plan-drop.ts';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import { restoreArchive } from '../src/restore/restore.ts';
import { exportArchive } from '../src/script/export-archive.ts';
import { restoreDdl } from '../src/script/replay.ts';
import { inSession } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { inCase } from './support/case-folders.ts';
import { type Runner, refusalOf, withEnvironment } from './support/migrate.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { testServer } from './support/server.ts';
import { skip } from './support/skip.ts';

const folder = join(import.meta.dirname, 'cases/operators--not-printed');
const schema = readFileSync(join(folder, 'schema.sql'), 'utf8');
const migration = reversibleDrop({
  name: 'm',
  tables: ['t', 'u', 'parts'],
  dependents: 'cascade',
  rows: 'copy',
});

/** Results of views, a policy and an index. With the built-in operators for text, no two values here are equal. */
async function behaviour({ knex }: Runner): Promise<unknown[]> {
  const shown: unknown[] = [];
  for (const sql of [
    'select * from joined order by n',
    'select * from known order by id',
    'select id, matches, b from t order by id',
    'select counted()',
    'select id, tableoid::regclass::text from parts order by id',
  ])
    shown.push((await knex.raw(sql)).rows);
  return shown;
}

const expected = [
  [
    { a: 'Abc', n: 10, is_abc: true },
    { a: 'x', n: 20, is_abc: false },
  ],
  [
    { id: 1, known: true },
    { id: 2, known: true },
  ],
  [
    { id: 1, matches: true, b: 'aBC' },
    { id: 2, matches: false, b: 'y' },
  ],
];

describe('operators that the text of an expression does not name', () => {
  const up = (run: Runner) => quietly(() => run.up(migration));
  const down = (run: Runner) => quietly(() => run.down(migration));
  const writing = <T>({ knex }: Runner, work: Parameters<typeof inSession<T>>[1]) =>
    quietly(() => inSession(knex, work));

  it('are the same after a rollback, restore --table and restore --from-ddl', async () => {
    const scratch = mkdtempSync(join(tmpdir(), 'undrop-operators-'));
    try {
      await inCase(await testServer(), schema, async (run) => {
        const before = await behaviour(run);
        expect(before.slice(0, 3)).to.deep.equal(expected);
        await up(run);
        await down(run);
        expect(await behaviour(run)).to.deep.equal(before);

        await up(run);
        await writing(run, (session) => restoreArchive(session, { migration: 'm', table: 'public.u' }));
        await down(run);
        expect(await behaviour(run)).to.deep.equal(before);

        await up(run);
        const [exported] = await writing(run, (session) => exportArchive(session, scratch, {}));
        expect(readFileSync(exported?.file ?? '', 'utf8')).to.include(
          'set local search_path = pg_catalog, ops, pg_temp;',
        );
        await run.knex.raw('drop schema undrop cascade');
        await writing(run, (session) => restoreDdl(session, exported?.file ?? ''));
        expect(await behaviour(run)).to.deep.equal(before);
      });
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  });

  it('of citext are still used by joins after a rollback', async function () {
    const server = await testServer();
    const known = `select from pg_available_extensions where name = 'citext'`;
    if ((await server.sql('postgres', known)).length === 0) skip(this, 'the server has no citext');
    const citext = `
      create extension citext;
      create table t (id int, e citext);
      create table u (e citext, x int);
      insert into t values (1, 'Abc');
      insert into u values ('aBC', 10);
      create view v as select e, x, t.e = 'abc'::citext as q from t join u using (e)`;
    await inCase(server, citext, async (run) => {
      const drop = reversibleDrop({ name: 'm', tables: ['t', 'u'], dependents: 'cascade', rows: 'copy' });
      await quietly(() => run.up(drop));
      await quietly(() => run.down(drop));
      expect(await run.rows('select x, q from v')).to.deep.equal([{ x: 10, q: true }]);
    });
  });

  it('are looked up in the search path that the object needs, which is then reset', async () => {
    await inCase(await testServer(), schema, async ({ knex }) => {
      const { statements } = await planDrop(knex, { name: 'm', tables: ['t'], dependents: 'cascade' });
      let path: string | undefined;
      const under = new Map<string, Set<string | undefined>>();
      for (const { kind, sql } of statements) {
        const [, set] = /^set local search_path = (.*)$/.exec(sql) ?? [];
        if (set !== undefined) path = set;
        else under.set(kind, new Set([...(under.get(kind) ?? []), path]));
      }
      const own = 'pg_catalog, ops, pg_temp';
      const pinned = 'pg_catalog, pg_temp';
      expect(path).to.equal(pinned);
      for (const kind of ['view', 'policy', 'trigger', 'rule'])
        expect([...(under.get(kind) ?? [])], kind).to.include(own);
      expect([...(under.get('default value') ?? [])]).to.deep.equal([own]);
    });
  });

  const arrays = `
    create schema ops;
    create function ops.same(int[], int[]) returns boolean language sql immutable as 'select true';
    create function ops.near(int, int) returns boolean language sql immutable as 'select true';
    create operator ops.~= (function = ops.near, leftarg = int, rightarg = int);
    create table t (a int[], n int);
    insert into t values ('{2}', 1);
    create view v as select n operator(ops.~=) 1 as near, a is distinct from '{1}' as other from t;
    alter table t add constraint c check (n operator(ops.~=) 1 and a is distinct from '{1}')`;
  const arraysMigration = reversibleDrop({ name: 'm', tables: ['t'], dependents: 'cascade', rows: 'copy' });
  const equal = 'create operator ops.= (function = ops.same, leftarg = int[], rightarg = int[])';

  it('are compared: if the search path leads to another operator, the restore is refused', async () => {
    const views = arrays.slice(0, arrays.indexOf('alter table'));
    await inCase(await testServer(), views, async (run) => {
      await quietly(() => run.up(arraysMigration));
      await run.knex.raw(equal);
      const { reason } = await refusalOf(
        quietly(() => run.down(arraysMigration)),
        'restore-differs',
      );
      expect(reason).to.match(
        /rule "_RETURN" on public\.v: pg_rewrite\.ev_action\.resolved was \[.*"operator pg_catalog\.=\(.*, is \[.*"operator ops\.=\(/,
      );
      await run.knex.raw('drop operator ops.= (int[], int[])');
      await quietly(() => run.down(arraysMigration));
    });
  });

  it('are not looked up in schemas where another role has created one, which would run with our privileges', async () => {
    const server = await testServer();
    const roles = `
      create role ${rolePrefix}_other nologin;
      ${arrays};
      grant create, usage on schema ops to ${rolePrefix}_other`;
    // A role whose function is called by a superuser can become one.
    const strange = `
      set role ${rolePrefix}_other;
      create function ops.evil(int[], int[]) returns boolean language plpgsql immutable as $$
        begin execute 'alter role ${rolePrefix}_other superuser'; return false; end $$;
      create operator ops.= (function = ops.evil, leftarg = int[], rightarg = int[]);
      reset role`;
    await inCase(server, roles, async (run) => {
      await quietly(() => run.up(arraysMigration));
      await run.knex.raw(strange);
      const late = await refusalOf(
        quietly(() => run.down(arraysMigration)),
        'restore-failed',
      );
      expect(late.reason).to.include(
        `schema ops, where ${rolePrefix}_other has created operator ops.=(integer[],integer[])`,
      );
      await run.knex.raw('drop operator ops.= (int[], int[])');
      await quietly(() => run.down(arraysMigration));

      await run.knex.raw(strange.replace('create function', 'create or replace function'));
      const early = await refusalOf(
        quietly(() => run.up(arraysMigration)),
        'not-reproducible',
      );
      expect(early.reason).to.include(
        'table constraint c on public.t: its operators are looked up in schema ops',
      );
      const [role] = await run.rows<{ rolsuper: boolean }>(
        `select rolsuper from pg_roles where rolname = '${rolePrefix}_other'`,
      );
      expect(role?.rolsuper).to.equal(false);
    });
  });

  it('are a difference that can be accepted if version 0.1 dropped the object', async () => {
    await inCase(await testServer(), schema, async (run) => {
      const before = await behaviour(run);
      await up(run);
      await asEarlier(run);
      const { reason, next } = await refusalOf(down(run), 'restore-differs');
      expect(reason).to.include(
        'rule "_RETURN" on public.joined: pg_rewrite.ev_action.resolved was not recorded',
      );
      const digest = /UNDROP_ACCEPT_DIFFERENCES=([0-9a-f]{12})/.exec(next)?.[1] ?? '';
      await withEnvironment({ UNDROP_ACCEPT_DIFFERENCES: digest }, () => down(run));
      expect(await behaviour(run)).to.deep.equal(before);
    });
  });
});

/** Changes an entry to the format of version 0.1: facts without the objects that expressions resolve to. */
async function asEarlier({ knex }: Runner): Promise<void> {
  await knex.raw(`
    update undrop.facts as f set columns = (
      select jsonb_object_agg(c.key, c.value) from jsonb_each(f.columns) as c where c.key not like '%.resolved')`);
  const facts = await knex.raw<{ rows: Fact[] }>(
    'select catalog, identity, columns from undrop.facts order by position',
  );
  const statements = await knex.raw<{ rows: Statement[] }>(
    'select kind, identity, sql from undrop.statements order by position',
  );
  const rows = await knex.raw<{ rows: KeptRows[] }>(
    'select table_name as table, store, count::text, digest from undrop.rows order by position',
  );
  const digest = digestOf(statements.rows, facts.rows, rows.rows);
  await knex.raw(`update undrop.drops as d set digest = ? || '.' || ${headSql.replaceAll('?', '\\?')}`, [
    digest,
  ]);
}
