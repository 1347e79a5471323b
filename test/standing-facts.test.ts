import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { digestRows } from '../src/archive/digest-rows.ts';
import { compareRows } from '../src/archive/kept-rows.ts';
import { readFactDigests } from '../src/catalog/facts/fact-digests.ts';
import type { FactsVersion } from '../src/catalog/facts/normal-rows.ts';
import { inSession } from '../src/session/session.ts';
import { tableFingerprint } from '../src/up/approve.ts';
import { inCase } from './support/case-folders.ts';
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
        inSession(knex, (session) =>
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
      const found = await inSession(knex, (session) => digestRows(session, 'public.t'));
      expect(found).to.deep.equal({ count: '1', digest: 'v3 3514518016485455579 -7336709262541028929' });
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
        inSession(knex, async (session) => {
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
