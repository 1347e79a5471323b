import { expect } from 'chai';
import { compareBehaviour } from './support/behaviour.ts';
import { inCase } from './support/case-folders.ts';
import { expectSame, look } from './support/judges.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { useServer } from './support/use-database.ts';

// Under the search path of this schema, the operator = takes -1 and 1 for equal.
const schema = `
  create role ${rolePrefix}_reader;
  create schema ops;
  create function ops.same(int, int) returns boolean language sql immutable as 'select abs($1) operator(pg_catalog.=) abs($2)';
  create operator ops.= (function = ops.same, leftarg = int, rightarg = int);
  set search_path = ops, pg_catalog, public;
  create table public.t (id int primary key, a int, b int default nullif(1, -1), constraint t_check check (nullif(a, 7) is not null));
  create table public.u (a int, n int);
  create table public.log (a int);
  insert into t values (1, 1, -1), (2, -2, 3);
  insert into u values (-1, 10);
  create view public.joined as select a, n, id from t join u using (a);
  create function public.noted() returns trigger language plpgsql as 'begin return new; end';
  create trigger t_changed before update on t for each row when (old.a is distinct from new.a) execute function noted();
  create rule logged as on update to u where new.a is distinct from old.a do also insert into log values (new.a);
  alter table t enable row level security;
  create policy mine on t using (case a when 2 then true else false end);
  grant select on t to ${rolePrefix}_reader;
  create unique index t_once on t ((id / 2)) where a is distinct from b;
  create function public.joins() returns bigint begin atomic select count(*) from t join u using (a); end;
  set search_path = public`;

// Queries for the statements that make an object anew from its text.
const anew: Readonly<Record<string, string>> = {
  check: `select format('alter table t drop constraint t_check; alter table t add constraint t_check %s',
    pg_get_constraintdef(oid)) as sql from pg_constraint where conname = 't_check'`,
  view: `select format('create or replace view joined as %s', pg_get_viewdef('joined'::regclass)) as sql`,
  policy: `select format('drop policy mine on t; create policy mine on t using (%s)', pg_get_expr(polqual, polrelid)) as sql
    from pg_policy`,
  trigger: `select format('drop trigger t_changed on t; %s', pg_get_triggerdef(oid)) as sql
    from pg_trigger where tgname = 't_changed'`,
  index: `select 'drop index t_once; ' || pg_get_indexdef('t_once'::regclass) as sql`,
  default: `select format('alter table t alter b set default %s', pg_get_expr(adbin, adrelid)) as sql
    from pg_attrdef as d join pg_attribute as a on a.attrelid = adrelid and a.attnum = adnum where attname = 'b'`,
  'function body': `select pg_get_functiondef(oid) as sql from pg_proc where proname = 'joins'`,
  rule: `select 'drop rule logged on u; ' || pg_get_ruledef(oid) as sql from pg_rewrite where rulename = 'logged'`,
};

describe('the judge of behaviour', () => {
  const server = useServer();
  for (const [kind, query] of Object.entries(anew)) {
    it(`notices a ${kind} with other operators under the same text`, async () => {
      await inCase(server, schema, async (run, database) => {
        const before = await look(database);
        const [made] = await run.rows<{ sql: string }>(query);
        await run.knex.raw(made?.sql ?? '');
        const after = await look(database);
        expectSame({ ...before, behaviour: after.behaviour }, after);
        expect(compareBehaviour(before.behaviour, after.behaviour)).not.to.deep.equal([]);
      });
    });
  }

  it('calls the same twice the same, and leaves the database as it was', async () => {
    await inCase(
      server,
      `${schema}; create table s (id serial, at timestamptz default clock_timestamp())`,
      async (_, database) => {
        const before = await look(database);
        expectSame(before, await look(database));
        expect(before.behaviour.get('insert into public.s default values')).to.equal('varies');
        expect(before.behaviour.get(`update public.t set a = '7'`)).to.equal('error 23514');
        expect(before.behaviour.get(`update public.t set a = '1'`)).to.match(/^2 rows; called noted\(\) 1; /);
        expect(before.behaviour.get(`as ${rolePrefix}_reader: delete from public.t`)).to.equal('error');
      },
    );
  });
});
