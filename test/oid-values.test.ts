import { expect } from 'chai';
import { reversibleDrop } from '../src/index.ts';
import { quietly } from '../src/text/log.ts';
import { inCase } from './support/case-folders.ts';
import { refusalOf, said } from './support/migrate.ts';
import { onEmbedded } from './support/server.ts';
import { useServer } from './support/use-database.ts';

const drop = (tables: string[], more = {}) =>
  reversibleDrop({ name: 'm', tables, dependents: 'cascade', ...more });

describe('values that the drop changes', () => {
  const server = useServer();
  const reasonOf = async (schema: string): Promise<string> => {
    let reason = '';
    await inCase(server, schema, async (run) => {
      ({ reason } = await refusalOf(run.up(drop(['t'], { rows: 'copy' })), 'rehearsal-differs'));
    });
    return reason.replaceAll(/v3 -?\d+ -?\d+/g, '#');
  };

  it('in the table itself are refused with the name of the column', async () => {
    expect(
      await reasonOf(
        `create table t (id int, "its Name" regclass); insert into t values (1, 't'), (2, null)`,
      ),
    ).to.equal(
      'table public.t: rows.digest was #, is # (column "its Name" (regclass): names of dropped objects, which get other OIDs)',
    );
    expect(
      await reasonOf(
        `create table t (id int, a regtype[], b regclass, p int generated always as (id) stored);
         insert into t values (1, '{t,int4}', 'pg_class')`,
      ),
    ).to.equal(
      'table public.t: rows.digest was #, is # (column a (regtype[]): names of dropped objects, which get other OIDs)',
    );
  });

  it('in generated columns are refused with their names', async () => {
    const schema = `
      create function price(int) returns int language sql immutable as $$ select $1 * 2 $$;
      create table t (n int, p int generated always as (price(n)) stored);
      insert into t values (1);
      create or replace function price(int) returns int language sql immutable as $$ select $1 * 3 $$`;
    expect(await reasonOf(schema)).to.equal(
      'table public.t: rows.digest was #, is # ' +
        '(column p (integer): generated, and the expression has another result than when the row was written)',
    );
  });

  const survivors = `
    create table t (id int);
    create table u (id int);
    create function f(t) returns int language sql as 'select 1';
    create schema app;
    create table app.settings (target regclass, all_of regclass[], fn regprocedure, kind regtype, other regclass);
    insert into app.settings select 'u', '{u,u}', 'f(t)', 'int4', 'u' from generate_series(1, 100);
    create table app.more (kind regtype);
    insert into app.more values ('t')`;
  const words =
    'name objects that the drop removes; they will show OIDs, also after a restore, which creates objects with new OIDs';

  it('in other tables are reported by up', async () => {
    await inCase(server, survivors, async (run) => {
      const lines = await said(() => run.up(drop(['t'])));
      expect(lines).to.contain(`m: values of app.more.kind, app.settings.fn ${words}\n`);
      await quietly(() => run.down(drop(['t'])));
      await run.knex.raw(
        'create table "an Index" (i regclass[]); insert into "an Index" values (null), (array[\'t\'::regclass])',
      );
      expect(await said(() => run.up(drop(['t'])))).to.contain(`m: values of public."an Index".i ${words}\n`);
    });
  });

  it('in other tables stay as they are where tables are moved', async () => {
    await inCase(server, survivors, async (run) => {
      const lines = await said(() => run.up(drop(['t'], { rows: 'move' })));
      expect(lines).to.contain(`m: values of app.settings.fn ${words}\n`);
      await quietly(() => run.down(drop(['t'], { rows: 'move' })));
      expect(await run.rows('select kind::text from app.more')).to.deep.equal([{ kind: 't' }]);
    });
  });

  it('in other tables are not waited for', async function () {
    if (onEmbedded) this.skip();
    await inCase(server, survivors, async (run, database) => {
      const other = await server.client(database.name);
      await other.query('begin; lock table app.settings');
      const lines = await said(() => run.up(drop(['t'], { rows: 'copy' })));
      expect(lines).to.contain(`m: values of app.more.kind ${words}\n`);
      const second = reversibleDrop({ name: 'n', tables: ['u'] });
      await quietly(() => run.up(second));
      await other.end();
    });
  });
});
