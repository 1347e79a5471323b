import { expect } from 'chai';
import { readClosure } from '../src/catalog/closure.ts';
import {
  type Fact,
  readCatalogFacts,
  readFacts,
  readOwnFacts,
  readSurvivorFacts,
  takeOwnFacts,
} from '../src/catalog/facts/facts.ts';
import type { Session } from '../src/session/session.ts';
import { inFreshSession } from './support/fresh-session.ts';
import { oidsOf } from './support/oracle.ts';
import { useDatabase, useServer } from './support/use-database.ts';

// More objects than are read at once.
const checks = Array.from({ length: 160 }, (_, number) => `check (id > ${number})`);

const schema = `
  create table kept (id int primary key, label text);
  comment on column kept.label is 'of a label';
  create table parted (id int) partition by hash (id);
  create type mood as enum ('ok');
  create table t (
    id serial primary key, kept_id int references kept (id), moods mood[], note text default 'a' || 'b', gone int);
  alter table t drop gone;
  create index noted on t (lower(note)) where id > 1;
  create view seen as select id from t where note is distinct from 'x';
  create table many (id int, ${checks.join(', ')})`;

describe('facts', () => {
  const { run } = useDatabase(useServer(), schema, { shared: true });

  const read = <T>(work: (session: Session) => Promise<T>) => inFreshSession(run.knex, work);
  const closureOf = async (session: Session, names: readonly string[]) =>
    readClosure(session, await oidsOf(session, names));
  const titles = (facts: readonly Fact[]) => facts.map(({ catalog, identity }) => `${catalog} ${identity}`);
  const find = (facts: readonly Fact[], catalog: string, identity: string) =>
    facts.find((fact) => fact.catalog === catalog && fact.identity === identity)?.columns;

  it('name the objects that a catalog row refers to, one or several', async () => {
    const facts = await read(async (session) => readOwnFacts(session, await closureOf(session, ['t'])));
    expect(find(facts, 'pg_class', 'table public.t')).to.include({
      relnamespace: 'schema public',
      reltype: 'type public.t',
      reloftype: null,
      relname: 't',
    });
    expect(find(facts, 'pg_attribute', 'table column public.t.moods')).to.include({
      attrelid: 'table public.t',
      atttypid: 'type public.mood[]',
      attcollation: null,
    });
    expect(find(facts, 'pg_constraint', 'table constraint t_kept_id_fkey on public.t')).to.include({
      confrelid: 'table public.kept',
      conindid: 'index public.kept_pkey',
      conkey: '["kept_id"]',
      conpfeqop: '["operator pg_catalog.=(integer,integer)"]',
      conexclop: null,
    });
    expect(find(facts, 'pg_index', 'index public.noted')).to.include({
      indclass: '["operator class pg_catalog.text_ops USING btree"]',
      indcollation: '["collation pg_catalog.\\"default\\""]',
      'indexprs.resolved':
        '["function pg_catalog.lower(pg_catalog.text)", "collation pg_catalog.\\"default\\""]',
      'indpred.resolved':
        '["operator pg_catalog.>(integer,integer)", "function pg_catalog.int4gt(integer,integer)"]',
    });
    expect(find(facts, 'pg_index', 'index public.t_pkey')).to.include({
      indcollation: '[null]',
      'indexprs.resolved': null,
    });
    expect(find(facts, 'pg_rewrite', 'rule "_RETURN" on public.seen')?.['ev_action.resolved']).to.contain(
      '"operator pg_catalog.=(pg_catalog.text,pg_catalog.text)"',
    );
    expect(titles(facts).some((title) => title.includes('_RETURN'))).to.equal(true);
  });

  it('are those of survivors too, which are sorted, with the comments and keys of partitions', async () => {
    const facts = await read(async (session) => {
      const oids = await oidsOf(session, ['parted', 'kept']);
      expect(await readSurvivorFacts(session, [])).to.deep.equal([]);
      return readSurvivorFacts(
        session,
        oids.map((oid) => ({ oid, kind: 'table', identity: '' })),
      );
    });
    const own = titles(facts).filter(
      (title) => !/column public\.\w+\.(tableoid|[cx]m(in|ax)|ctid)$/.test(title),
    );
    expect(own).to.deep.equal([
      'pg_attribute table column public.kept.id',
      'pg_attribute table column public.kept.label',
      'pg_attribute table column public.parted.id',
      'pg_class table public.kept',
      'pg_class table public.parted',
      'pg_description table column public.kept.label',
      'pg_partitioned_table table public.parted',
    ]);
    const { own: ofClosure, survivors } = await read(async (session) =>
      readFacts(session, await closureOf(session, ['t'])),
    );
    const ofKept = facts.filter(({ identity }) => identity.includes('kept'));
    expect(survivors).to.deep.equal(ofKept);
    expect(titles(ofClosure)).to.include('pg_class table public.t');
  });

  it('are sorted, complete in several batches, and the same alone as together', async () => {
    await read(async (session) => {
      const closure = await closureOf(session, ['many', 't']);
      const batches: number[] = [];
      const taken: Fact[] = [];
      await takeOwnFacts(session, closure, (facts) => {
        batches.push(facts.length);
        taken.push(...facts);
      });
      expect(batches.filter((length) => length > 0).length).to.be.above(1);
      const together = await readOwnFacts(session, closure);
      const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
      const keys = together.map(({ catalog, identity }) => `${catalog} ${identity}`);
      const sorted = together.toSorted(
        (a, b) => order(a.catalog, b.catalog) || order(a.identity, b.identity),
      );
      expect(keys).to.deep.equal(titles(sorted));
      expect(titles(taken).sort()).to.deep.equal(keys.toSorted());
      // The text of the columns is compared, so that their order counts.
      for (const { columns } of await readCatalogFacts(session, closure))
        expect(Object.keys(columns)).to.deep.equal(Object.keys(columns).sort(order));
      for (const name of ['many', 't']) {
        const alone = await readOwnFacts(session, await closureOf(session, [name]));
        const mine = new Set(titles(alone));
        expect(together.filter((fact) => mine.has(titles([fact])[0] ?? ''))).to.deep.equal(alone);
      }
    });
  });

  it('are those of the catalogs alone, or with the states of sequences', async () => {
    await read(async (session) => {
      const closure = await closureOf(session, ['t']);
      const all = await readOwnFacts(session, closure);
      const catalogs = await readCatalogFacts(session, closure);
      const states = all.filter((fact) => !titles(catalogs).includes(titles([fact])[0] ?? ''));
      expect(states.map(({ identity }) => identity)).to.deep.equal(['sequence public.t_id_seq']);
      expect(all.filter((fact) => !states.includes(fact))).to.deep.equal(catalogs);
      expect([...all, ...catalogs].every(({ identity }) => identity.length > 0)).to.equal(true);
    });
  });

  it('have what expressions resolve to since version 3', async () => {
    await read(async (session) => {
      const closure = await closureOf(session, ['t']);
      const resolved = async (version?: 1 | 2 | 3) =>
        (await readOwnFacts(session, closure, version)).flatMap(({ columns }) =>
          Object.keys(columns).filter((column) => column.endsWith('.resolved')),
        ).length;
      expect(await resolved(2)).to.equal(0);
      expect(await resolved(1)).to.equal(0);
      expect(await resolved()).to.be.above(0);
      expect(await resolved(3)).to.equal(await resolved());
    });
  });
});
