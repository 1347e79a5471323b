import { expect } from 'chai';
import {
  dependents,
  keyOf,
  lostAttributes,
  type Member,
  membersIn,
  readAbout,
  readClosure,
  readEdges,
  readReach,
  typesOf,
} from '../src/catalog/closure.ts';
import { inSession } from '../src/session/session.ts';
import { oidsOf } from './support/oracle.ts';
import { useDatabase, useServer } from './support/use-database.ts';

// Each way to lose something has a table of its own, so that a way that is not searched for leaves its table out.
const schema = `
  create table t (id int primary key, v int);
  create function positive(int) returns boolean language sql immutable begin atomic
    select case when $1 > 0 then true else $1 in (select id from t) end; end;
  create table by_key (t_id int references t);
  create sequence numbers owned by t.v;
  create table by_default (id int default nextval('numbers'));
  create table by_check (id int check (positive(id)));
  create table by_rule (id int);
  create rule also as on delete to by_rule do also delete from t where id = old.id;
  create table by_trigger (id int);
  create function touch() returns trigger language plpgsql as 'begin return new; end';
  create trigger touched before insert on by_trigger for each row when (positive(new.id)) execute function touch();
  create table by_policy (id int);
  create policy known on by_policy using (id in (select id from t));
  create table by_column (id int, row_of t);
  create table by_index (id int);
  create index positives on by_index (positive(id));
  create table parent (id int, v int);
  alter table t inherit parent;
  create type pair as (a int, row_of t);
  create domain ruled as int check (positive(value));
  create domain of_rows as t;
  create view seen as select id from t;
  create table unrelated (id int primary key)`;

// An OID is unique within its catalog only. Here two objects have those of tables.
const sameNumbers = `
  update pg_depend set objid = 'by_key'::regclass where (classid, objid) = (
    select 'pg_policy'::regclass, oid from pg_policy where polname = 'known');
  update pg_policy set oid = 'by_key'::regclass where polname = 'known';
  update pg_depend set objid = 'unrelated'::regclass where (classid, objid) = (
    select 'pg_trigger'::regclass, oid from pg_trigger where tgname = 'touched');
  update pg_trigger set oid = 'unrelated'::regclass where tgname = 'touched'`;

describe('the closure of a drop', () => {
  const { run } = useDatabase(useServer(), `${schema};${sameNumbers}`, { shared: true });

  const read = () =>
    inSession(run.knex, async (session) => {
      const oids = await oidsOf(session, ['t']);
      const closure = await readClosure(session, oids);
      const reach = await readReach(session, oids);
      const about = (members: ReadonlyMap<number, Member>) =>
        readAbout(
          session,
          'select o.oid::bigint as oid from pg_catalog.unnest($1::oid[]) as o (oid)',
          members,
        );
      return {
        oids,
        closure,
        reach,
        edges: await readEdges(session, closure),
        about: await about(membersIn(closure, 'pg_policy')),
        // It is not run: it would fail.
        none: await readAbout(session, 'select 1 / 0', new Map()),
      };
    });
  // Since 18, NOT NULL is a constraint too.
  const named = (members: readonly Member[]) =>
    members
      .filter(({ identity }) => !/RI_ConstraintTrigger|_not_null /.test(identity))
      .map(({ kind, identity }) => `${kind} ${identity}`);

  it('consists of what DROP TABLE … CASCADE removes', async () => {
    const { oids, closure } = await read();
    expect(closure.tables).to.deep.equal(oids);
    expect(named(closure.members)).to.deep.equal([
      'composite type column public.pair.row_of',
      'default value for public.by_default.id',
      'domain constraint ruled_check on public.ruled',
      'function public.positive(integer)',
      'index public.positives',
      'index public.t_pkey',
      'policy known on public.by_policy',
      'rule "_RETURN" on public.seen',
      'rule also on public.by_rule',
      'sequence public.numbers',
      'table public.t',
      'table column public.by_column.row_of',
      'table constraint by_check_id_check on public.by_check',
      'table constraint by_key_t_id_fkey on public.by_key',
      'table constraint t_pkey on public.t',
      'trigger touched on public.by_trigger',
      'type public.of_rows',
      'type public.of_rows[]',
      'type public.seen',
      'type public.seen[]',
      'type public.t',
      'type public.t[]',
      'view public.seen',
    ]);
  });

  it('leaves relations that lose something, read with names or without', async () => {
    const { closure, reach } = await read();
    const survivors = closure.survivors.map(({ kind, identity }) => `${kind} ${identity}`).sort();
    expect(survivors).to.deep.equal([
      'composite type public.pair',
      'table public.by_check',
      'table public.by_column',
      'table public.by_default',
      'table public.by_index',
      'table public.by_key',
      'table public.by_policy',
      'table public.by_rule',
      'table public.by_trigger',
      'table public.parent',
    ]);
    expect(reach.survivors).to.deep.equal(closure.survivors);
    const addresses = (members: readonly { key: string; objsubid: number }[]) =>
      members.map(({ key, objsubid }) => `${key}/${objsubid}`).sort();
    expect(addresses(reach.members)).to.deep.equal(addresses(closure.members));
  });

  it('has dependent objects, which do not belong to the table, without their parts', async () => {
    const { closure } = await read();
    expect(named(dependents(closure))).to.deep.equal([
      'composite type column public.pair.row_of',
      'default value for public.by_default.id',
      'domain constraint ruled_check on public.ruled',
      'function public.positive(integer)',
      'index public.positives',
      'policy known on public.by_policy',
      'rule also on public.by_rule',
      'table column public.by_column.row_of',
      'table constraint by_check_id_check on public.by_check',
      'table constraint by_key_t_id_fkey on public.by_key',
      'trigger touched on public.by_trigger',
      'type public.of_rows',
      'view public.seen',
    ]);
    expect(named(lostAttributes(closure))).to.deep.equal(['composite type column public.pair.row_of']);
  });

  it('has members in catalogs, which columns of other tables are not', async () => {
    const { closure, about, none } = await read();
    const relations = membersIn(closure, 'pg_class');
    expect(named([...relations.values()])).to.deep.equal([
      'index public.positives',
      'index public.t_pkey',
      'sequence public.numbers',
      'table public.t',
      'view public.seen',
    ]);
    expect([...relations.keys()]).to.deep.equal([...relations.values()].map(({ objid }) => objid));
    expect(membersIn(closure, 'pg_type').size).to.equal(6);
    expect(named([...typesOf(closure).values()]), 'row types and array types are parts').to.deep.equal([
      'type public.of_rows',
    ]);
    expect(about).to.deep.equal([...membersIn(closure, 'pg_policy').keys()].map((oid) => ({ oid })));
    expect(none).to.deep.equal([]);
  });

  it('knows which members need others', async () => {
    const { closure, edges } = await read();
    const names = new Map(closure.members.map(({ key, kind, identity }) => [key, `${kind} ${identity}`]));
    const needed = edges
      .filter(({ from }) => names.get(from) === 'trigger touched on public.by_trigger')
      .map(({ to }) => names.get(to));
    expect(needed).to.deep.equal(['function public.positive(integer)']);
    for (const { key, classid, objid } of closure.members) expect(key).to.equal(keyOf(classid, objid));
  });
});
