import { expect } from 'chai';
import { type KeptEntry, readEntries } from '../src/archive/entries.ts';
import { loadCapture } from '../src/archive/entry.ts';
import type { FactRecord } from '../src/baseline/records.ts';
import type { Difference } from '../src/capture/compare.ts';
import { readObjectDigests } from '../src/catalog/facts/fact-digests.ts';
import { type Fact, readCatalogFacts } from '../src/catalog/facts/facts.ts';
import { sequenceState } from '../src/catalog/facts/sequence-facts.ts';
import { readSurroundings } from '../src/catalog/facts/surroundings.ts';
import { haveResolved, withoutResolved } from '../src/down/earlier-entries.ts';
import { findRestored } from '../src/down/replay.ts';
import { reversibleDrop } from '../src/index.ts';
import { inSession, type Session } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { compareRestored, readExplained } from '../src/verify/compare-archive.ts';
import { compareWithRecord, type RecordComparison } from '../src/verify/compare-record.ts';
import { type Archived, type Expected, readExpected } from '../src/verify/expected-facts.ts';
import { type Runner, refusalOf, runner, withEnvironment } from './support/migrate.ts';
import { testServer } from './support/server.ts';

const schema = `
  create schema "order";
  create table a (id serial primary key, note text default 'x', "of type x" text);
  create table b (n int default nextval('a_id_seq'), m int default 0);
  create table late (id int)`;

interface Prepared {
  readonly run: Runner;
  /** The table `a` was dropped and restored twice, by the migrations `one` and `two`. */
  readonly one: KeptEntry;
  readonly two: KeptEntry;
  readonly facts: readonly Fact[];
}

let preparing: Promise<Prepared> | undefined;

/** Once for all tests, none of which changes the database. */
async function prepare(): Promise<Prepared> {
  const server = await testServer();
  const run = runner((await server.createDatabase()).url);
  await run.knex.raw(schema);
  const migration = (name: string) =>
    reversibleDrop({ name, tables: ['a'], dependents: 'cascade', rows: 'copy', schemaComment: 'Less.' });
  await withEnvironment({ UNDROP_BACKUP: 'off' }, () =>
    quietly(async () => {
      for (const name of ['one', 'two']) {
        await run.up(migration(name));
        await run.down(migration(name));
      }
    }),
  );
  return inSession(run.knex, async (session) => {
    const [one, two] = await readEntries(session);
    if (one === undefined || two === undefined) throw new Error('the archive lacks an entry');
    return { run, one, two, facts: (await loadCapture(session, one)).facts };
  });
}

describe('what drops and restores have changed since a record', () => {
  let run: Runner;
  let one: KeptEntry;
  let two: KeptEntry;
  let facts: readonly Fact[];

  before(async () => {
    preparing ??= prepare();
    ({ run, one, two, facts } = await preparing);
    one = at(one, 10, 20);
    two = at(two, 30, 40);
  });

  const time = (minute: number) => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
  const at = (entry: KeptEntry, dropped: number, restored: number | null): KeptEntry => ({
    ...entry,
    droppedAt: time(dropped),
    restoredAt: restored === null ? null : time(restored),
  });
  const record = (
    minute: number,
    standing: number[] = [],
    changed: Partial<FactRecord> = {},
  ): FactRecord => ({
    ...{ id: 1, madeAt: time(minute), madeBy: 'postgres', command: 'a test', backup: null },
    ...{ serverVersion: '0', digests: {}, surroundings: {}, standing },
    ...changed,
  });

  /** Does work in a transaction after a change, and rolls it back. */
  async function look<T>(work: (session: Session) => Promise<T>, change = 'select 1'): Promise<T> {
    const undo = new Error('undo');
    let result: { value: T } | undefined;
    await run.knex
      .transaction(async (transaction) => {
        await transaction.raw(change);
        result = { value: await inSession(transaction, work) };
        throw undo;
      })
      .catch((error: unknown) => {
        if (error !== undo) throw error;
      });
    if (result === undefined) throw new Error('nothing was looked at');
    return result.value;
  }

  const follow = (from: FactRecord, ...entries: KeptEntry[]): Promise<Expected> =>
    look((session) => readExpected(session, from, entries));
  const states = () => facts.filter(({ catalog }) => catalog !== sequenceState);
  const sequence = 'table column public.b.n';
  const value = (expected: Expected, object: string) =>
    expected.survivors
      .filter((one) => one.object === object)
      .map(({ column, value, entry }) => [column, value, entry.migration]);
  const change = () => {
    const found = one.survivorChanges.find(({ object }) => object.includes('public.b.n'));
    if (found === undefined) throw new Error('the drop has changed no survivor');
    return found;
  };

  describe('is read from the archive', () => {
    it('for a drop', async () => {
      const expected = await follow(record(5), at(one, 10, null));
      expect(expected.restored).to.deep.equal([]);
      expect(expected.dropped.get('table public.a')).to.equal('one');
      expect(expected.dropped.get('table column public.a.note')).to.equal('one');
      expect(new Set(expected.dropped.keys())).to.deep.equal(new Set(facts.map(({ identity }) => identity)));
      const { object, column, after } = change();
      expect(value(expected, object)).to.deep.include([column, after, 'one']);
      expect(
        expected.comments.map(({ schema, comment, entry }) => [schema, comment, entry.migration]),
      ).to.deep.equal([['public', one.schemaComment?.after, 'one']]);
    });

    it('for a drop and its restore', async () => {
      const expected = await follow(record(5), one);
      expect([expected.restored, expected.dropped.size]).to.deep.equal([[], 0]);
      const { object, column, before } = change();
      expect(value(expected, object)).to.deep.include([column, before, 'one']);
      expect(expected.comments.map(({ comment }) => comment)).to.deep.equal([one.schemaComment?.before]);
    });

    it('for a restore, with the archived facts other than the states of sequences', async () => {
      const expected = await follow(record(15, [one.id]), one);
      expect(facts.length).to.be.greaterThan(states().length);
      expect(new Set(expected.restored.map(({ fact }) => fact))).to.deep.equal(new Set(states()));
      expect([...new Set(expected.restored.map(({ entry }) => entry))]).to.deep.equal([one]);
      expect(expected.dropped.size).to.equal(0);
    });

    it('for nothing that was so at the time of the record', async () => {
      const none = { restored: [], dropped: new Map(), survivors: [], comments: [] };
      expect(await follow(record(15, [one.id]), at(one, 10, null))).to.deep.equal(none);
      expect(await follow(record(25), one)).to.deep.equal(none);
      expect(await follow(record(20), one)).to.deep.equal(none);
      expect(await follow(record(5))).to.deep.equal(none);
      const bare = { ...at(one, 10, null), schemaComment: null, survivorChanges: [] };
      expect(await follow(record(5), bare)).to.deep.include({ survivors: [], comments: [] });
      expect(await follow(record(5), { ...bare, restoredAt: time(20) })).to.deep.equal(none);
    });

    it('in the order of the drops and restores', async () => {
      for (const entries of [
        [one, two],
        [two, one],
      ]) {
        const [first, second] = entries as [KeptEntry, KeptEntry];
        const again = await follow(
          record(15, [one.id]),
          ...[first, second].map((entry) => (entry === two ? at(two, 30, null) : entry)),
        );
        expect(again.restored).to.deep.equal([]);
        expect(again.dropped.get('table public.a')).to.equal('two');
        const back = await follow(record(15, [one.id]), first, second);
        // What the second drop took away is what the first restore had brought back.
        expect(back.restored.length).to.equal(states().length);
        expect([...new Set(back.restored.map(({ entry }) => entry.migration))]).to.deep.equal(['one']);
        expect(back.dropped.size).to.equal(0);
        const { object, column, before } = change();
        expect(value(back, object)).to.deep.include([column, before, 'two']);
      }
    });

    it('for a split entry, whose rest was dropped again when the first table was restored', async () => {
      const rest = at(two, 10, null);
      const split = { ...one, splitInto: two.id };
      for (const entries of [
        [split, rest],
        [rest, split],
      ]) {
        const expected = await follow(record(5), ...entries);
        expect(expected.dropped.get('table public.a')).to.equal('two');
        const restored = await follow(record(15, [one.id]), ...entries);
        expect([restored.restored, restored.dropped.get('table public.a')]).to.deep.equal([[], 'two']);
      }
      // A restore brings back what its own entry holds.
      const kept = await follow(record(5), one, rest);
      expect(kept.dropped.get('table public.a')).to.equal('two');
    });

    it('with the values that another drop has changed in restored objects', async () => {
      const of = (expected: Expected) =>
        expected.restored
          .filter(({ fact }) => fact.catalog === 'pg_class' && fact.identity === 'table public.a')
          .map(({ fact }) => fact.columns.relname);
      const difference = {
        object: 'table public.a',
        catalog: 'pg_class',
        column: 'relname',
        before: 'was',
        after: 'is',
      };
      const changing = { ...two, survivorChanges: [difference, { ...difference, column: '*' }] };
      const own = { ...changing, tables: [], id: 999 };
      expect(of(await follow(record(15, [one.id]), one))).to.deep.equal(['a']);
      expect(of(await follow(record(15, [one.id]), one, { ...own, restoredAt: null }))).to.deep.equal(['is']);
      expect(of(await follow(record(15, [one.id]), one, own))).to.deep.equal(['was']);
      const both = await follow(record(15, [one.id]), one, own);
      const [row] = both.restored.filter(
        ({ fact }) => fact.catalog === 'pg_class' && fact.identity === 'table public.a',
      );
      expect(Object.keys(row?.fact.columns ?? {})).not.to.include('*');
      const ofTwo = both.survivors.filter(({ entry }) => entry === own);
      expect(ofTwo.map(({ column, value }) => [column, value])).to.deep.equal([
        ['relname', 'was'],
        ['*', 'was'],
      ]);
    });

    it('with the differences that a user has accepted', async () => {
      const [row] = states().filter(
        ({ catalog, identity }) => catalog === 'pg_class' && identity === 'table public.a',
      );
      if (row === undefined) throw new Error('there is no row of the table');
      const text = JSON.stringify(row.columns);
      const accept = async (difference: Partial<Difference>, entry = one, from = record(15, [one.id])) => {
        const differences = [
          {
            object: row.identity,
            catalog: row.catalog,
            column: '*',
            before: null,
            after: null,
            ...difference,
          },
        ];
        const accepted = [
          { entry: entry.id, command: 'down', digest: '', acceptedAt: '', acceptedBy: '', differences },
        ];
        const { restored } = await follow(from, { ...entry, accepted } as KeptEntry);
        return restored
          .filter(({ fact }) => fact.identity === row.identity && fact.catalog === row.catalog)
          .map(({ fact }) => fact.columns);
      };
      expect(await accept({ column: 'relname', before: 'a', after: 'z' })).to.deep.equal([
        { ...row.columns, relname: 'z' },
      ]);
      expect(await accept({ before: text })).to.deep.equal([]);
      expect(await accept({ before: text, after: '{"relname":"z"}' })).to.deep.equal([{ relname: 'z' }]);
      expect(await accept({ after: '{"relname":"z"}' })).to.deep.equal([row.columns, { relname: 'z' }]);
      expect(await accept({ after: text })).to.deep.equal([row.columns]);
      expect(await accept({ before: '{"relname":"z"}' })).to.deep.equal([row.columns]);
      // Also in the restore of an entry that had dropped it again, and a row of an object that had none.
      const renamed = {
        object: row.identity,
        catalog: row.catalog,
        column: 'relname',
        before: 'a',
        after: 'z',
      };
      const added = {
        object: 'table public.added',
        catalog: 'pg_class',
        column: '*',
        before: null,
        after: '{}',
      };
      const acceptedBy = { ...two, accepted: [{ differences: [renamed, added] }] } as unknown as KeptEntry;
      const both = await follow(record(15, [one.id]), one, acceptedBy);
      const columnsOf = (identity: string) =>
        both.restored
          .filter(({ fact }) => fact.identity === identity && fact.catalog === 'pg_class')
          .map(({ fact }) => fact.columns);
      expect(columnsOf(row.identity)).to.deep.equal([{ ...row.columns, relname: 'z' }]);
      expect(columnsOf('table public.added')).to.deep.equal([{}]);
      expect(both.restored).to.have.length(states().length + 1);
      // Rows and states of sequences are no facts that verify compares.
      for (const catalog of ['rows', sequenceState])
        expect(
          (
            await follow(record(15, [one.id]), {
              ...one,
              accepted: [{ differences: [{ object: 'o', catalog, column: '*', before: null, after: '{}' }] }],
            } as unknown as KeptEntry)
          ).restored,
        ).to.have.length(states().length);
      // The record has the values of a table that is dropped and restored after it.
      expect(await accept({ after: '{"relname":"z"}' }, one, record(5))).to.deep.equal([]);
    });
  });

  describe('is compared with restored objects', () => {
    const archived = (changed: readonly Fact[] = states(), entry = one): Archived[] =>
      changed.map((fact) => ({ entry, fact }));
    const compare = (restored: readonly Archived[], sql?: string) =>
      look(
        (session) => compareRestored(session, { restored, dropped: new Map(), survivors: [], comments: [] }),
        sql,
      );
    const none = { gone: [], changed: [], added: [], printed: [] };
    const where = (identity: string) => (fact: Fact) => fact.identity === identity;

    it('which are equal', async () => {
      expect(await compare([])).to.deep.equal(none);
      expect(await compare(archived())).to.deep.equal(none);
    });

    it('and tells what is gone, changed and new', async () => {
      expect(
        await compare(archived(), 'alter table a alter note drop default, add column late int'),
      ).to.deep.equal({
        gone: ['default value for public.a.note'],
        changed: ['table column public.a.note'],
        added: ['table column public.a.late'],
        printed: [],
      });
      const others = states().filter((fact) => !where('index public.a_pkey')(fact));
      const { added } = await compare(archived(others));
      expect(added).to.deep.equal(['index public.a_pkey']);
      const changed = ['table public.a', 'index public.a_pkey'];
      const found = await compare(
        archived(
          states().map((fact) =>
            changed.includes(fact.identity) && fact.catalog === 'pg_class'
              ? { ...fact, columns: { ...fact.columns, relname: 'z' } }
              : fact,
          ),
        ),
      );
      expect(found).to.deep.equal({ ...none, changed: [...changed].sort() });
    });

    it('but not with tables that were not restored', async () => {
      const more = { ...one, tables: [...one.tables, { written: 'late', sql: 'public.late', reason: null }] };
      expect(await compare(archived(states(), more))).to.deep.equal(none);
      const { gone } = await compare(archived(), 'drop table a cascade');
      expect(gone).to.include('table public.a');
    });

    it('in the form in which each was archived', async () => {
      expect(haveResolved(facts)).to.equal(true);
      const earlier = states().map(withoutResolved);
      expect(await compare(archived(earlier))).to.deep.equal(none);
      // Two entries, of which one has the earlier form: each object is compared in its own.
      const isIndex = where('index public.a_pkey');
      const mixed = [
        ...archived(
          earlier.filter((fact) => !isIndex(fact)),
          { ...two },
        ),
        ...archived(states().filter(isIndex)),
      ];
      expect(await compare(mixed)).to.deep.equal(none);
      const isDefault = where('default value for public.a.note');
      const three = [
        ...mixed.filter(({ fact }) => !isDefault(fact)),
        ...archived(states().filter(isDefault), { ...one }),
      ];
      expect(await compare(three)).to.deep.equal(none);
      const { added } = await compare(mixed, 'alter table a add column late int');
      expect(added).to.deep.equal(['table column public.a.late']);
    });

    it('and names expressions that another major version has printed', async () => {
      const other = { ...one, serverVersion: '14.1' };
      const printed = states().map((fact) =>
        fact.columns.adbin === undefined
          ? fact
          : { ...fact, columns: { ...fact.columns, adbin: 'printed otherwise' } },
      );
      expect((await compare(archived(printed, other))).printed).to.include('default value for public.a.note');
      expect((await compare(archived(printed))).changed).to.include('default value for public.a.note');
      expect(await compare(archived(states(), { ...one, serverVersion: '15.99' }))).to.deep.equal(none);
    });
  });

  describe('is compared with survivors and comments', () => {
    const explain = (
      survivors: Partial<Expected['survivors'][number]>[],
      comments: [string, string | null][] = [],
      sql?: string,
    ) =>
      look(
        async (session) => [
          ...(await readExplained(session, {
            survivors: survivors.map((one_) => ({ entry: one, ...one_ })) as Expected['survivors'],
            comments: comments.map(([schema, comment]) => ({ entry: two, schema, comment })),
            restored: [],
            dropped: new Map(),
          })),
        ],
        sql,
      );
    const survivor = () => {
      const { object, catalog, column, before, after } = change();
      return {
        now: { object, catalog, column, value: before },
        other: { object, catalog, column, value: after },
      };
    };

    it('and explains those that are as the drop or the restore left them', async () => {
      const { now, other } = survivor();
      expect(await explain([now])).to.deep.equal([[now.object, 'one']]);
      expect(await explain([other])).to.deep.equal([]);
      expect(await explain([now, { ...now, column: 'no_such', value: null }])).to.deep.equal([
        [now.object, 'one'],
      ]);
      // One value that differs is enough.
      expect(await explain([now, { ...now, column: 'no_such', value: 'x' }])).to.deep.equal([]);
      expect(await explain([{ ...now, column: 'no_such', value: 'x' }, now])).to.deep.equal([]);
      expect(await explain([{ ...now, catalog: 'pg_proc' }])).to.deep.equal([]);
      expect(await explain([{ ...now, object: 'table public.none' }])).to.deep.equal([]);
      expect(await explain([])).to.deep.equal([]);
    });

    it('also whole rows', async () => {
      const [row] = await look(async (session) => {
        const closure = await findRestored(session, ['public.b']);
        return (await readCatalogFacts(session, closure)).filter(
          ({ identity, catalog }) => identity === sequence && catalog === 'pg_attribute',
        );
      });
      if (row === undefined) throw new Error('the column has no row');
      const whole = { object: sequence, catalog: 'pg_attribute', column: '*' };
      expect(await explain([{ ...whole, value: JSON.stringify(row.columns) }])).to.deep.equal([
        [sequence, 'one'],
      ]);
      expect(await explain([{ ...whole, value: '{}' }])).to.deep.equal([]);
      expect(await explain([{ ...whole, value: null }])).to.deep.equal([]);
      const lost = { ...whole, object: 'table column public.b.gone' };
      expect(await explain([{ ...lost, value: null }])).to.deep.equal([[lost.object, 'one']]);
      expect(await explain([{ ...lost, value: '{}' }])).to.deep.equal([]);
    });

    it('and comments on schemas, by their quoted names', async () => {
      const comment = `comment on schema "order" is 'x'; comment on schema public is 'y'`;
      const both: [string, string | null][] = [
        ['order', 'x'],
        ['public', 'y'],
      ];
      expect(await explain([], both, comment)).to.deep.equal([
        ['comment on schema "order"', 'two'],
        ['comment on schema public', 'two'],
      ]);
      expect(
        await explain(
          [],
          [
            ['order', 'z'],
            ['public', null],
          ],
          comment,
        ),
      ).to.deep.equal([]);
      expect(await explain([], [['order', null]])).to.deep.equal([['comment on schema "order"', 'two']]);
    });
  });

  describe('is taken out of the differences from the record', () => {
    const gone = {
      'index lost.b_idx': 'x',
      'schema lost': 'x',
      'table column lost.b.id': 'x',
      'table lost.b': 'x',
    };

    async function compare(
      alter: (digests: Record<string, string>, session: Session) => FactRecord | Promise<FactRecord>,
      entries: readonly KeptEntry[] = [],
      sql?: string,
    ): Promise<RecordComparison & { total: number }> {
      return look(async (session) => {
        const now = await readObjectDigests(session);
        const from = await alter({ ...now }, session);
        const current =
          from.serverVersion === '0' ? { ...from, serverVersion: session.server.version } : from;
        if (sql !== undefined) await session.run(sql);
        return { ...(await compareWithRecord(session, current, entries)), total: Object.keys(now).length };
      });
    }
    const empty = {
      gone: [],
      changed: [],
      acting: [],
      added: [],
      explained: [],
      inPart: [],
      onlyNames: false,
    };

    it('of which there are none in the same database', async () => {
      const { total, ...found } = await compare((digests) => record(50, [], { digests }));
      expect(found).to.deep.equal({ ...empty, same: total });
      const surrounded = await compare(async (digests, session) =>
        record(50, [], { digests, surroundings: (await readSurroundings(session)).used }),
      );
      expect(surrounded).to.deep.equal({ ...empty, same: total, total });
      const earlier = await compare(async (_, session) =>
        record(50, [], { digests: await readObjectDigests(session, 1), surroundings: undefined }),
      );
      expect(earlier).to.deep.equal({ ...empty, same: total, total });
    });

    it('which are sorted, schemas first, without the parts of what is gone itself', async () => {
      const { total, ...found } = await compare(({ 'table public.late': _, ...digests }) =>
        record(50, [], { digests: { ...gone, ...digests, 'table public.b': 'x', 'schema public': 'x' } }),
      );
      expect(found).to.deep.equal({
        ...empty,
        gone: ['schema lost', 'index lost.b_idx', 'table lost.b'],
        changed: ['schema public', 'table public.b'],
        added: ['table public.late'],
        same: total - 3,
      });
    });

    it('and new objects that act on existing ones are told from others; migrations tables are no objects', async () => {
      const { total, ...found } = await compare(
        (digests) => record(50, [], { digests }),
        [],
        `create index on public.b (n); create table public.fresh (id int primary key);
        create table public.knex_migrations (id serial primary key, name text, batch int, migration_time timestamptz);
        create table public.knex_migrations_lock (index serial primary key, is_locked int);
        create table public.knex_migrations_more (id int); create table public.knex_migrations_pkey_old (id int)`,
      );
      expect(found).to.deep.equal({
        ...empty,
        acting: ['index public.b_n_idx'],
        added: [
          'index public.fresh_pkey',
          'table public.fresh',
          'table public.knex_migrations_more',
          'table public.knex_migrations_pkey_old',
        ],
        same: total,
      });
    });

    it('by name only, if another major version wrote the record', async () => {
      const digests = { 'table public.a': 'x', 'table public.b': 'y', 'view public.gone': 'z' };
      const found = await compare(() =>
        record(50, [], { serverVersion: '13.1', digests, surroundings: { 'role gone': 'x', database: 'x' } }),
      );
      expect(found).to.deep.include({
        onlyNames: true,
        same: 2,
        changed: [],
        gone: ['view public.gone', 'role gone'],
      });
      const { onlyNames } = await compare(() => record(50, [], { serverVersion: '15.99', digests }));
      expect(onlyNames).to.equal(false);
    });

    it('as are what surrounds the objects, of which only what was recorded counts', async () => {
      const {
        changed,
        gone: lost,
        added,
      } = await compare((digests) =>
        record(50, [], { digests, surroundings: { 'role former': 'x', database: 'x', 'role earlier': 'x' } }),
      );
      expect([changed, lost, added]).to.deep.equal([['database'], ['role earlier', 'role former'], []]);
    });

    it('and counted by migration', async () => {
      const before = (digests: Record<string, string>) =>
        record(50, [], { digests: { ...digests, ...gone } });
      const dropped = 'drop table public.a cascade';
      // The default of another table went with the sequence.
      const {
        explained,
        gone: lost,
        changed,
        inPart,
        total,
        same,
      } = await compare(before, [at(one, 60, null)], dropped);
      expect(lost).to.deep.equal(['schema lost', 'index lost.b_idx', 'table lost.b']);
      expect(explained).to.have.length(1);
      expect(explained[0]).to.match(/^by one: \d+$/);
      expect(changed).to.deep.equal([]);
      expect(inPart).to.deep.equal([sequence]);
      const number = Number(explained[0]?.slice('by one: '.length));
      expect(same + number).to.equal(total);
      // The comment that the drop has set is compared as a whole.
      const commented = await compare(
        (digests) => record(50, [], { digests: { ...digests, 'comment on schema public': 'x' } }),
        [at(one, 60, null)],
        `${dropped}; comment on schema public is 'Less.'`,
      );
      expect(commented).to.deep.include({
        changed: [],
        inPart: [sequence],
        explained: [`by one: ${number + 1}`],
      });
    });

    it('unless an object that was dropped exists again', async () => {
      const { changed } = await compare((digests) => record(50, [], { digests }), [at(one, 60, null)]);
      expect(changed).to.include('table public.a').and.include('table column public.a.note');
    });

    it('and a restored object counts as new without the archive, and not with it', async () => {
      const before = (digests: Record<string, string>) =>
        record(50, [one.id], {
          digests: Object.fromEntries(
            Object.entries(digests).filter(([identity]) => !facts.some((fact) => fact.identity === identity)),
          ),
        });
      const without = await compare(before);
      expect(without.added).to.deep.equal([
        'index public.a_pkey',
        'sequence public.a_id_seq',
        'table public.a',
      ]);
      expect(without.explained).to.deep.equal([]);
      const { added, acting, changed, gone: lost, explained } = await compare(before, [at(one, 10, 60)]);
      expect([added, acting, changed, lost]).to.deep.equal([[], [], [], []]);
      expect(explained).to.have.length(1);
      // A default is told by its column, as a record holds it.
      const other = await compare(
        before,
        [at(one, 10, 60)],
        `alter table public.a alter note set default 'y'`,
      );
      expect([other.changed, other.gone, other.added]).to.deep.equal([
        ['table column public.a.note'],
        [],
        [],
      ]);
      const less = await compare(before, [at(one, 10, 60)], 'alter table public.a alter note drop default');
      expect([less.changed, less.gone, less.added]).to.deep.equal([['table column public.a.note'], [], []]);
      const more = await compare(
        before,
        [at(one, 10, 60)],
        'create trigger t before insert on public.a for each row execute function suppress_redundant_updates_trigger()',
      );
      expect(more.acting).to.deep.equal(['trigger t on public.a']);
      const lacks = await compare(
        before,
        [at(one, 10, 60)],
        'alter table public.a drop column note, drop column "of type x"',
      );
      expect([lacks.changed, lacks.gone]).to.deep.equal([
        [],
        ['table column public.a."of type x"', 'table column public.a.note'],
      ]);
    });

    it('and parts of a restored object are told only where nothing else differs', async () => {
      const before = (digests: Record<string, string>) =>
        record(50, [one.id], {
          digests: {
            ...Object.fromEntries(
              Object.entries(digests).filter(
                ([identity]) => !facts.some((fact) => fact.identity === identity),
              ),
            ),
            'table public.b': 'x',
          },
        });
      const entries = [at(one, 10, 60)];
      const type = `comment on type public.a is 'x'`;
      expect(await compare(before, entries, type)).to.deep.include({
        gone: [],
        changed: ['table public.b', 'type public.a'],
        added: [],
      });
      expect(
        await compare(before, entries, `${type}; alter table public.a alter note set default 'y'`),
      ).to.deep.include({ gone: [], changed: ['table column public.a.note', 'table public.b'], added: [] });
      expect(
        await compare(before, entries, 'alter table public.a add column late int default 1'),
      ).to.deep.include({
        gone: [],
        changed: ['table public.b'],
        acting: ['table column public.a.late'],
        added: [],
      });
    });

    it('and a damaged entry explains nothing', async () => {
      await refusalOf(
        look(
          (session) => compareWithRecord(session, record(15, [one.id], { digests: {} }), [one]),
          `update undrop.facts set columns = '{}' where drop_id = ${one.id}`,
        ),
        'archive-damaged',
      );
    });
  });
});
