import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { findGivable, giveUp } from '../src/archive/give-up.ts';
import { listArchive } from '../src/archive/list.ts';
import { pruneArchive } from '../src/archive/prune.ts';
import { readClosure } from '../src/catalog/closure.ts';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import { type DropOptions, parseOptions } from '../src/options/options.ts';
import { restoreArchive } from '../src/restore/restore.ts';
import { archivedDdl } from '../src/script/ddl.ts';
import { exportArchive } from '../src/script/export-archive.ts';
import { inSession, type Session } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { adviseRows } from '../src/up/row-costs.ts';
import { verifyDatabase } from '../src/verify/verify.ts';
import { refusalOf, runner, said, withEnvironment } from './support/migrate.ts';
import { pgDump, wholeText } from './support/pg-dump.ts';
import { physical } from './support/physical.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('moved tables with rows', () => {
  const server = useServer();
  const make = (options: Partial<DropOptions> = {}) =>
    reversibleDrop({ name: 'm', tables: ['big'], rows: 'move', dependents: 'cascade', ...options });

  const { database, run } = useDatabase(server);

  beforeEach(async () => {
    await run.knex.raw(`
      create table parent (id int primary key);
      insert into parent select generate_series(1, 10);
      create table big (id serial primary key, p int not null references parent, v text unique,
        twice int generated always as (p * 2) stored);
      insert into big (p, v) select 1 + n % 10, 'v' || n from generate_series(1, 100) n;
      create index on big (p) where p > 3;
      create table kid (id int primary key, big int references big);
      insert into kid values (1, 5);
      create view sums as select p, count(*) as n from big group by p;
      create function note() returns trigger language plpgsql as 'begin return new; end';
      create trigger noted before update on big for each row execute function note();
      alter table big enable row level security;
      create policy own on big using (exists (select from parent where parent.id = big.p));
      create publication pub for table big ${server.major < 15 ? '' : '(id, p) where (p > 2)'};
      create statistics big_s on p, v from big;
      grant select on big to public;
      analyze big`);
  });
  it('leave nothing that prevents other changes of what they referred to', async () => {
    await quietly(() => run.up(make()));
    await run.knex.raw('delete from parent where id > 5; drop function note(); drop view if exists sums');
    await run.knex.raw('alter table parent rename column id to key');
  });

  it('are closed to other roles', async () => {
    await quietly(() => run.up(make()));
    const rights = await run.rows(`
      select n.nspname as schema, has_schema_privilege('pg_monitor', n.oid, 'usage') as usage
      from pg_namespace n where n.nspname ~ '^undrop_moved'`);
    expect(rights).to.deep.equal([{ schema: 'undrop_moved_1_1', usage: false }]);
    await run.knex.raw('grant usage on schema undrop_moved_1_1 to public');
    expect(await said(() => run.down(make()))).to.include(
      'PUBLIC may use the schema undrop_moved_1_1, which holds dropped rows: revoked',
    );
  });

  it('come back with rows that others may not have removed meanwhile', async () => {
    const withoutParent = async () =>
      (await wholeText(database.url)).replaceAll(/^INSERT INTO public.parent .*\n/gm, '');
    const before = await withoutParent();
    await quietly(() => run.up(make()));
    await run.knex.raw('delete from parent where id = 3');
    const { subject, reason } = await refusalOf(run.down(make()), 'restore-failed');
    expect(subject).to.equal('big_p_fkey on public.big');
    expect(reason).to.include('Key (p)=(3)');
    await run.knex.raw('insert into parent values (3)');
    await quietly(() => run.down(make()));
    expect(await withoutParent()).to.equal(before);
  });

  it('are refused as damaged once somebody has dropped one', async () => {
    await quietly(() => run.up(make()));
    const verified = async () => {
      const { checks } = await inSession(run.knex, (session) => verifyDatabase(session), {
        onlyReads: true,
      });
      return checks.find(({ name }) => name === 'moved tables exist');
    };
    expect((await verified())?.found).to.match(/^m: moved to undrop_moved_1_1, \d+ kB now$/);
    await run.knex.raw('drop table undrop_moved_1_1.big');
    expect((await verified())?.state).to.equal('failed');
    const { subject, next } = await refusalOf(run.down(make()), 'archive-damaged');
    expect(subject).to.equal('public.big');
    expect(next).to.include('undrop ddl');
  });

  it('are listed with their size, and exported with their rows', async () => {
    const before = await wholeText(database.url);
    await quietly(() => run.up(make()));
    const [entry] = await inSession(run.knex, listArchive, { onlyReads: true });
    expect(Number(entry?.bytes)).to.be.greaterThan(8192);
    const folder = mkdtempSync(join(tmpdir(), 'undrop-'));
    try {
      const [file] = await quietly(() =>
        inSession(run.knex, (session) => exportArchive(session, folder, {}), { onlyReads: true }),
      );
      expect(file?.rows).to.equal('100');
      expect(readFileSync(String(file?.file), 'utf8')).to.include('copy public.big (id, p, v) from stdin;');
    } finally {
      rmSync(folder, { recursive: true });
    }
    await quietly(() => run.down(make()));
    expect(await wholeText(database.url)).to.equal(before);
  });

  it('are given up only by name, and remain known afterwards', async () => {
    await quietly(() => run.up(make({ keepFor: '0s' })));
    const inArchive = <T>(work: (session: Session) => Promise<T>) => inSession(run.knex, work);
    const [listed] = await inArchive(listArchive);
    expect(listed?.note).to.match(
      /^moved to undrop_moved_1_1, \d+ kB now; was to be kept until .*, which has passed$/,
    );
    await refusalOf(
      inArchive((session) => pruneArchive(session, { migration: 'm' })),
      'bad-options',
    );
    await refusalOf(
      inArchive((session) => findGivable(session, { migration: 'other' })),
      'archive-missing',
    );
    await inArchive(async (session) => giveUp(session, { migration: 'm' }));
    expect(await run.rows(`select from pg_namespace where nspname ~ '^undrop_moved'`)).to.deep.equal([]);
    const { reason } = await refusalOf(run.down(make()), 'archive-missing');
    expect(reason).to.match(/removed the rows from the archive for good on /);
    const [entry] = await inArchive(listArchive);
    expect(entry?.note).to.match(/^given up on .* by \w+: its rows are gone$/);
    const { statements } = await quietly(() =>
      inArchive((session) => archivedDdl(session, { migration: 'm' })),
    );
    expect(statements.map(({ sql }) => sql).join()).to.include('create table public.big');
  });

  it('are advised where a copy would be large, and a copy beyond the limit is refused', async () => {
    await run.knex.raw(
      `insert into big (p, v) select 1, repeat('x', 20) || n from generate_series(1, 200000) n`,
    );
    await run.knex.raw('analyze big');
    const copying = make({ rows: 'copy' });
    await withEnvironment({ UNDROP_COPY_LIMIT: '1MB' }, async () => {
      const { message, next } = await refusalOf(run.up(copying), 'not-empty');
      expect(message).to.match(/^The rows that m would copy take \d+ MB, more than 1024 kB\.$/);
      expect(next).to.include("rows: 'move'");
    });
    const closure = (session: Session) =>
      session.read<{ oid: number }>(`select 'public.big'::regclass::oid::bigint as oid`);
    const [costs] = await inSession(run.knex, async (session) => {
      const [big] = await closure(session);
      const options = parseOptions({ name: 'm', tables: ['big'] }, {});
      return adviseRows(session, await readClosure(session, [Number(big?.oid)]), options);
    });
    expect(costs?.description).to.match(
      /^public.big: about 200,100 rows, \d+ MB; copy writes \d+ MB; move writes less than 1 MB; advised: move$/,
    );
  });

  it('come back in a database that was restored from a dump', async () => {
    await quietly(() => run.up(make()));
    const copy = await server.createDatabase();
    const other = runner(copy.url);
    try {
      await server.sql(copy.name, await pgDump(database.url, ['--inserts']));
      await quietly(() => other.down(make()));
      await quietly(() => run.down(make()));
      expect(await wholeText(copy.url)).to.equal(await wholeText(database.url));
    } finally {
      await other.end();
      await server.dropDatabase(copy.name);
    }
  });

  it('require the privilege to create a schema', async () => {
    await run.knex.raw(`
      create role ${rolePrefix}_owner login;
      create schema undrop authorization ${rolePrefix}_owner;
      grant all on schema public to ${rolePrefix}_owner;
      alter table big owner to ${rolePrefix}_owner; alter table kid owner to ${rolePrefix}_owner; alter table parent owner to ${rolePrefix}_owner;
      alter statistics big_s owner to ${rolePrefix}_owner; alter view sums owner to ${rolePrefix}_owner;
      alter function note() owner to ${rolePrefix}_owner; alter publication pub owner to ${rolePrefix}_owner`);
    const owner = runner(server.url(database.name, `${rolePrefix}_owner`));
    try {
      const { next } = await refusalOf(owner.up(make()), 'insufficient-privilege');
      const [grant = ''] = /grant create on database \S+ to \w+/.exec(next) ?? [];
      await run.knex.raw(grant);
      const before = [await wholeText(database.url), await physical(run)];
      await quietly(() => owner.up(make()));
      await quietly(() => owner.down(make()));
      expect([await wholeText(database.url), await physical(run)]).to.deep.equal(before);
    } finally {
      await owner.end();
      await run.knex.raw(`drop owned by ${rolePrefix}_owner cascade; drop role ${rolePrefix}_owner`);
    }
  });

  it('come back one by one', async () => {
    await run.knex.raw('create table other (id int primary key, big int references big)');
    await run.knex.raw('insert into other values (1, 7)');
    const before = [await wholeText(database.url), await physical(run)];
    const both = make({ tables: ['big', 'other'] });
    await quietly(() => run.up(both));
    await quietly(() =>
      inSession(run.knex, (session) => restoreArchive(session, { migration: 'm', table: 'big' })),
    );
    expect(await run.rows('select count(*)::int as n from big')).to.deep.equal([{ n: 100 }]);
    await quietly(() => run.down(both));
    expect([await wholeText(database.url), await physical(run)]).to.deep.equal(before);
  });
});
