import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { readFactDigests } from '../src/catalog/fact-digests.ts';
import { planDrop } from '../src/index.ts';
import { compareRows } from '../src/rows.ts';
import { inSession } from '../src/session.ts';
import { inCase } from './support/case-folders.ts';
import { testServer } from './support/server.ts';
import { skip } from './support/skip.ts';

// Approvals, archives and records of earlier versions hold them.
describe('facts that were written down', () => {
  it('are still the same: sums over rows, of which older entries have two', async () => {
    const schema = `
      create table t (id int, at timestamptz, note text);
      insert into t values (1, '2026-01-02Z', 'a "b"'), (2, null, null), (2, null, null)`;
    await inCase(await testServer(), schema, async ({ knex }) => {
      const compare = (digest: string) =>
        inSession(knex, (session) =>
          compareRows(session, [{ table: 'public.t', store: '', count: '3', digest }]),
        );
      const [now, before] = ['-25927058170781605229', '-2347114742818389611 7285020516433400926'];
      expect(await compare(now)).to.deep.equal([]);
      expect(await compare(before)).to.deep.equal([]);
      expect(await compare('1')).to.deep.equal([
        { object: 'table public.t', catalog: 'rows', column: 'digest', before: '1', after: now },
      ]);
    });
  });

  it('are still the same: fingerprints and digests', async function () {
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
      const { tables } = await planDrop(knex, { name: 'm', tables: ['old_runs'], outsiders: 'cascade' });
      const digests = await inSession(knex, readFactDigests);
      const lines = Object.entries(digests).map(([identity, digest]) => `${identity} ${digest}`);
      const all = createHash('sha256').update(lines.sort().join('\n')).digest('hex').slice(0, 12);
      expect([tables[0]?.fingerprint, lines.length, all]).to.deep.equal(['016a5f24ef8e', 32, 'e23e6791b900']);
    });
  });
});
