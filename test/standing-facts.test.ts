import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { digestRows } from '../src/archive/digest-rows.ts';
import { compareRows } from '../src/archive/kept-rows.ts';
import { readClosure } from '../src/catalog/closure.ts';
import { readFactDigests } from '../src/catalog/facts/fact-digests.ts';
import { readOwnFacts } from '../src/catalog/facts/facts.ts';
import type { FactsVersion } from '../src/catalog/facts/normal-rows.ts';
import { tableFingerprint } from '../src/up/approve.ts';
import { inCase } from './support/case-folders.ts';
import { inFreshSession } from './support/fresh-session.ts';
import { testServer } from './support/server.ts';
import { skip } from './support/skip.ts';

// Approvals, archives and records of earlier versions hold these values, so they must not change.
describe('recorded facts', () => {
  it('do not change: sums over rows, in three forms', async () => {
    const schema = `
      create table t (id int, at timestamptz, note text);
      insert into t values (1, '2026-01-02Z', 'a "b"'), (2, null, null), (2, null, null)`;
    await inCase(await testServer(), schema, async ({ knex }) => {
      const compare = (digest: string) =>
        inFreshSession(knex, (session) =>
          compareRows(session, [{ table: 'public.t', store: '', count: '3', digest }]),
        );
      const forms = [
        ['-2347114742818389611 7285020516433400926', '1 2'],
        ['-25927058170781605229', '1'],
        ['v3 14066341578392396576 -6496903604239578823', 'v3 1 2'],
      ] as const;
      for (const [digest, other] of forms) {
        expect(await compare(digest)).to.deep.equal([]);
        expect(await compare(other)).to.deep.equal([
          { object: 'table public.t', catalog: 'rows', column: 'digest', before: other, after: digest },
        ]);
      }
    });
  });

  it('do not change: hashes of all types with a hash function', async () => {
    const schema = `
      create table t as select true as a, 'a'::"char" as b, 1::int2 as c, 2::int4 as d, 4294967297::int8 as e, 3::oid as f,
        'text'::text as g, 'varchar'::varchar as h, 'bytea'::bytea as i, repeat('01', 16)::uuid as j, date '2026-01-02' as k,
        time '10:20:30.4' as l, timestamp '2026-01-02 03:04:05.6' as m, timestamptz '2026-01-02 03:04:05.6Z' as n,
        interval '1 mon 2 days 3.4' as o, 1.50 as p, 0.1::float4 as q, 0.1::float8 as r, 'null'::jsonb as s`;
    await inCase(await testServer(), schema, async ({ knex }) => {
      const found = await inFreshSession(knex, (session) => digestRows(session, 'public.t'));
      expect(found).to.deep.equal({ count: '1', digest: 'v3 3514518016485455579 -7336709262541028929' });
    });
  });

  // Each field of an expression tree that names an object is in one of these expressions.
  it('do not change: what expressions resolve to', async function () {
    const server = await testServer();
    if (server.major !== 15) skip(this, 'they are known of PostgreSQL 15 alone');
    const schema = `
      create table t (id int, small int2, note text, v varchar, unique (note));
      create unique index on t (note collate "C" text_pattern_ops);
      create view comparisons as select note = v as a, id < small as b, note is distinct from 'x' as c,
        nullif(note, 'x') as d, id in (1, 2) as e, row(id, note) < row(small, v) as f, note like 'x' as g from t;
      create view types as select id::text as a, case id when 1 then note else v end as b, coalesce(note, v) as c,
        greatest(note, 'x') as d, array[note, v] as e, row(id, note)::text as f, id::oid as g, v::text as h from t;
      create view collations as select note collate "C" as a, lower(note collate "C") as b,
        case when id > 1 then note collate "C" end as c, coalesce(note collate "C", 'x') as d,
        least(note collate "C", 'x') as e, note collate "C" < 'x' as f, row(note collate "C") < row('x') as g,
        (v collate "C")::text as h from t;
      create view unions as select id, note collate "C" as note from t union select small, v from t order by 2;
      create view groups as select note, count(*), sum(id) from t group by note order by note desc;
      create view windows as select id, rank() over (order by small),
        sum(id) over (order by small range between 1 preceding and 2 following) from t;
      create view samples as select id from t tablesample bernoulli (10);
      create view cycles as with recursive r (a, b) as (select id, id from t union all select b, a from r)
        cycle a, b set is_cycle using path select a, b, is_cycle from r;
      create rule conflicts as on update to t do also insert into t values (1) on conflict
        (note collate "C" text_pattern_ops) do nothing`;
    await inCase(server, schema, async ({ knex }) => {
      const found = await inFreshSession(knex, async (session) => {
        const [row] = await session.read<{ oid: number }>(`select 'public.t'::regclass::oid::bigint as oid`);
        const closure = await readClosure(session, [row?.oid ?? 0]);
        const digests = await readFactDigests(session, 3);
        return (await readOwnFacts(session, closure)).flatMap(({ identity, columns }) => {
          const { 'ev_action.resolved': resolved, ev_class } = columns;
          if (resolved == null) return [];
          const hash = createHash('sha256').update(resolved).digest('hex').slice(0, 8);
          const name = identity.includes('_RETURN') ? (ev_class ?? '') : identity;
          return [[name, `${JSON.parse(resolved).length} ${hash} ${digests[name]}`]];
        });
      });
      expect(Object.fromEntries(found), 'names, their hash, and the digest of the object').to.deep.equal({
        'rule conflicts on public.t': '2 2ecc181a 423c072bf224',
        'view public.collations': '27 86b32891 e2848e4bb902',
        'view public.comparisons': '27 8896208a a0a20d1f3363',
        'view public.cycles': '5 3ee8e289 c3abccab3f75',
        'view public.groups': '6 ecda0d0c f3bfa3f1df25',
        'view public.samples': '2 52d335c5 e000e87459f7',
        'view public.types': '24 de58f5e8 737eed5138d4',
        'view public.unions': '11 dd1ae4a9 30a4d8797900',
        'view public.windows': '8 a85a0a5d 4696652f339d',
      });
    });
  });

  it('do not change: fingerprints and digests', async function () {
    const server = await testServer();
    if (server.major !== 15) skip(this, 'they are known of PostgreSQL 15 alone');
    const schema = `
      create table kept (id int primary key, label text);
      create table old_runs (
        id bigserial primary key, kept_id int references kept, kind "char" default 'a', tags text[] default '{}',
        at timestamptz(3), price numeric(10, 2) check (price > 0), unique (kept_id, kind) include (at));
      create index on old_runs (lower(kind::text)) where price > 1;
      create function aged(old_runs, days int default 3) returns boolean language sql stable cost 20 as 'select true';
      create view recent as select id, at from old_runs;
      create rule no_delete as on delete to recent do instead nothing;
      create function touch() returns trigger language plpgsql as 'begin return new; end';
      create trigger touch before update of at on old_runs for each row execute function touch();
      alter table old_runs enable row level security;
      create policy mine on old_runs for select to public using (id > 1);
      create statistics related on kept_id, at from old_runs;
      grant select (id, at) on old_runs to public;
      comment on column old_runs.at is 'when';`;
    await inCase(server, schema, async ({ knex }) => {
      const read = (version: FactsVersion) =>
        inFreshSession(knex, async (session) => {
          const [row] = await session.read<{ oid: number }>(
            `select 'public.old_runs'::regclass::oid::bigint as oid`,
          );
          const digests = await readFactDigests(session, version);
          const lines = Object.entries(digests).map(([identity, digest]) => `${identity} ${digest}`);
          const all = createHash('sha256').update(lines.sort().join('\n')).digest('hex').slice(0, 12);
          return [await tableFingerprint(session, row?.oid ?? 0, version), lines.length, all];
        });
      expect(await read(3), 'with what expressions resolve to').to.deep.equal([
        '72408d05edea',
        32,
        '4890bf2276b3',
      ]);
      expect(await read(2), 'without').to.deep.equal(['016a5f24ef8e', 32, 'e23e6791b900']);
      // Servers since November 2026 have internal options there.
      if (server.version === '15.18')
        expect(await read(1)).to.deep.equal(['016a5f24ef8e', 32, 'e23e6791b900']);
    });
  });
});
