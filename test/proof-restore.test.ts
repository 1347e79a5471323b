import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import type { Manifest } from '../src/backup/manifest.ts';
import type { PgDump } from '../src/backup/programs/find-pg-dump.ts';
import { proofs, prove } from '../src/backup/proof/prove.ts';
import { proveRestore } from '../src/backup/proof/prove-restore.ts';
import { compareDigests, compareWithManifest, missingIn } from '../src/backup/restore/compare-manifest.ts';
import { type Digests, readFactDigests } from '../src/catalog/facts/fact-digests.ts';
import { type ErrorCode, isUndropError } from '../src/errors.ts';
import { readSettings } from '../src/knex/settings.ts';
import type { Target } from '../src/knex/target.ts';
import { inSession } from '../src/session/session.ts';
import { refusalOf, runner, withEnvironment } from './support/migrate.ts';
import { type TestDatabase, type TestServer, testServer } from './support/server.ts';
import { skip } from './support/skip.ts';
import { until } from './support/until.ts';

const end = '--\n-- PostgreSQL database dump complete\n--\n';

/** The parts of a refusal that a user reads, and its code. */
async function refused(work: Promise<unknown>, code: ErrorCode) {
  const { subject, message, reason, next } = await refusalOf(work, code);
  return { subject, message, reason, next };
}

const schema = `
  create table old (id serial primary key, v text);
  create table "kept 2" (id int check (id > 0));
  create index old_v on old (v);
  create table root (a int) partition by list (a);
  create table p1 partition of root for values in (1);
  insert into old (v) values ('one'), ('two');
  insert into root values (1), (1), (1)`;

const dumped = `
CREATE TABLE public.old (id integer NOT NULL, v text);
CREATE SEQUENCE public.old_id_seq AS integer START WITH 1 INCREMENT BY 1 NO MINVALUE NO MAXVALUE CACHE 1;
ALTER SEQUENCE public.old_id_seq OWNED BY public.old.id;
ALTER TABLE ONLY public.old ALTER COLUMN id SET DEFAULT nextval('public.old_id_seq'::regclass);
CREATE TABLE public."kept 2" (id integer, CONSTRAINT "kept 2_id_check" CHECK ((id > 0)));
CREATE TABLE public.root (a integer) PARTITION BY LIST (a);
CREATE TABLE public.p1 (a integer);
ALTER TABLE ONLY public.root ATTACH PARTITION public.p1 FOR VALUES IN (1);
COPY public.old (id, v) FROM stdin;
1\tone
2\ttwo
\\.
COPY public.p1 (a) FROM stdin;
1
1
1
\\.
SELECT pg_catalog.setval('public.old_id_seq', 2, true);
ALTER TABLE ONLY public.old ADD CONSTRAINT old_pkey PRIMARY KEY (id);
CREATE INDEX old_v ON public.old USING btree (v);
${end}`;

describe('the proof of a restore', () => {
  let server: TestServer;
  let database: TestDatabase;
  let folder: string;
  let file: string;
  let facts: Digests;

  before(async function () {
    server = await testServer();
    if (server.embedded) skip(this, 'it restores into another database of the server');
    database = await server.createDatabase();
    await server.sql(database.name, schema);
    facts = await look((session) => readFactDigests(session));
    folder = mkdtempSync(join(tmpdir(), 'undrop-proof-'));
  });

  beforeEach(() => {
    file = join(folder, 'backup.sql');
    writeFileSync(file, dumped);
  });

  after(async () => {
    if (database !== undefined) await server.dropDatabase(database.name);
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  async function look<T>(
    work: Parameters<typeof inSession<T>>[1],
    { url }: Pick<TestDatabase, 'url'> = database,
  ): Promise<T> {
    const { knex, end: close } = runner(url);
    try {
      return await inSession(knex, work);
    } finally {
      await close();
    }
  }

  const tables: Manifest['tables'] = [
    { schema: 'public', name: 'old', rows: 2 },
    { schema: 'public', name: 'kept 2', rows: 0 },
    { schema: 'public', name: 'p1', rows: 3, root: { schema: 'public', name: 'root' } },
    { schema: 'public', name: 'root', rows: 0 },
  ];
  const manifest = (changed: Partial<Manifest> = {}): Manifest => ({
    manifestVersion: 1,
    database: {
      ...{ name: database.name, identity: '', oid: '', systemIdentifier: '', owner: 'postgres' },
      ...{ encoding: 'UTF8', collate: 'C', ctype: 'C', provider: 'c', locale: null },
    },
    ...{ serverVersion: server.version, pgDumpVersion: '18.0', host: 'h', takenBy: 'postgres' },
    ...{ startedAt: '2026-01-01T00:00:00Z', finishedAt: '2026-01-01T00:00:01Z', lsn: '0/0' },
    ...{ file: 'backup.sql', format: 'plain', bytes: 0, sha256: '', proof: 'off', differences: [] },
    ...{ factsVersion: 3, tables, facts },
    ...changed,
  });
  const tablesWith = (name: string, rows: number) =>
    tables.map((table) => (table.name === name ? { ...table, rows } : table));

  describe('compares the restored database with the manifest', () => {
    const compare = (changed: Partial<Manifest> = {}) =>
      look((session) => compareWithManifest(session, manifest(changed)));

    it('and accepts an equal one', async () => {
      expect(await compare()).to.deep.equal([]);
    });

    it('and names tables that are missing or have other rows', async () => {
      const gone = [
        { schema: 'public', name: 'gone', rows: 0 },
        { schema: 'pg_catalog', name: 'old', rows: 2 },
        { schema: 'public', name: 'old_v', rows: 0 },
      ];
      const work = compare({ tables: [...gone, ...tablesWith('old', 3)] });
      expect(await refused(work, 'backup-unproved')).to.deep.equal({
        subject: 'backup.sql',
        message: 'The database restored from backup.sql does not match the manifest.',
        reason: [
          '"public"."old" has 2 rows, not 3',
          '"public"."gone" is missing',
          '"pg_catalog"."old" is missing',
          '"public"."old_v" is missing',
        ].join('\n'),
        next: 'Take another backup with npm run backup, and keep this one until the new one is proved.',
      });
    });

    it('and counts the rows of partitions together where they were dumped through their root', async () => {
      expect(await compare({ tables: tablesWith('root', 0) })).to.deep.equal([]);
      const moved = tables.map((table) => ({ ...table, rows: { p1: 1, root: 2 }[table.name] ?? table.rows }));
      expect(await compare({ tables: moved })).to.deep.equal([]);
      const { reason } = await refusalOf(compare({ tables: tablesWith('p1', 4) }), 'backup-unproved');
      expect(reason).to.equal('"public"."root" and its partitions have 3 rows, not 4');
    });

    it('and lists objects that are missing, new or different, but not with another major version', async () => {
      const { 'index public.old_v': _, ...others } = facts;
      const changed = {
        ...others,
        'table public.zebra': 'x',
        'table public.old': 'x',
        'index public.ant': 'x',
      };
      expect(await compare({ facts: changed })).to.deep.equal([
        'missing: index public.ant',
        'new: index public.old_v',
        'differs: table public.old',
        'missing: table public.zebra',
      ]);
      expect(await compare({ facts: changed, serverVersion: '13.1 (Debian)' })).to.deep.equal([
        'facts are not compared: the backup is from PostgreSQL 13.1 (Debian)',
      ]);
      await refusalOf(compare({ serverVersion: '13.1', tables: tablesWith('old', 9) }), 'backup-unproved');
    });

    it('and takes no earlier form of facts for a difference, nor hides one', async () => {
      const first = await look((session) => readFactDigests(session, 1));
      const earlier = { ...manifest({ facts: first }) } as { factsVersion?: 3 } & Manifest;
      delete (earlier as { factsVersion?: 3 }).factsVersion;
      const compareEarlier = (digests: Digests) =>
        look((session) => compareWithManifest(session, { ...earlier, facts: digests }));
      expect(await compareEarlier(first)).to.deep.equal([]);
      const { 'index public.old_v': _, ...others } = first;
      expect(
        await compareEarlier({ ...others, 'schema public': 'x', 'table public.gone': 'x' }),
      ).to.deep.equal(['new: index public.old_v', 'differs: schema public', 'missing: table public.gone']);
      // Servers from November 2026 on set an option of each new column, which the first form includes.
      const setOption = (options: string) =>
        server.sql(
          database.name,
          `update pg_attribute set attoptions = ${options} where attrelid = 'old'::regclass and attname = 'v'`,
        );
      await setOption(`'{pg_attver=1}'`);
      expect(
        await compareEarlier({ ...first, 'table column public.old.v': 'x', 'schema public': 'x' }),
      ).to.deep.equal([
        'differs: schema public',
        'not compared: 1 columns, because their digests in the manifest include options that the server sets itself',
      ]);
      await setOption('null');
    });
  });

  it('tells which objects are missing', () => {
    const own = 'missing: table constraint own_name on public.p2';
    const named = 'new: table constraint p2_o_fkey on public.p2';
    expect(missingIn([own, named, 'differs: table public.p2', 'new: index public.i'])).to.deep.equal([]);
    expect(missingIn([own, named, 'missing: index public.i', own])).to.deep.equal([
      'missing: index public.i',
      own,
    ]);
    expect(missingIn(['missing: index a on public.p2', own, named])).to.deep.equal([
      'missing: index a on public.p2',
    ]);
    expect(missingIn([own, named, own])).to.deep.equal([own]);
    expect(missingIn([own, 'new: table constraint a on public.p1'])).to.deep.equal([own]);
    expect(missingIn([own, 'new: index p2 on public.p2'])).to.deep.equal([own]);
    // Names may hold anything, also the word that stands before the table.
    const odd = 'missing: table constraint "a on public.p1" on public.p2';
    expect(missingIn([odd, 'new: table constraint b on public.p1'])).to.deep.equal([odd]);
    expect(missingIn([odd, 'new: table constraint "c\nd" on public.p2'])).to.deep.equal([]);
    expect(missingIn(['missing: index a on public.p2', named])).to.deep.equal([
      'missing: index a on public.p2',
    ]);
  });

  it('tells objects that are missing, new or different, sorted', () => {
    expect(compareDigests({ b: '1', c: '1', d: '1' }, { a: '1', c: '2', d: '1' })).to.deep.equal([
      'new: a',
      'missing: b',
      'differs: c',
    ]);
  });

  const target = (): Target => ({
    settings: readSettings({ DATABASE_URL: database.url }),
    embedded: undefined,
  });
  const scratches = () =>
    server.sql('postgres', `select datname from pg_database where datname ~ '^undrop_proof_${process.pid}_'`);

  describe('in a scratch database', () => {
    it('restores the backup, and drops the database', async () => {
      expect(await proveRestore(file, manifest(), { target: target() })).to.deep.equal({ differences: [] });
      const changed = { facts: { ...facts, 'table public.old': 'x' } };
      expect(await proveRestore(file, manifest(changed), { target: target() })).to.deep.equal({
        differences: ['differs: table public.old'],
      });
      const other = { target: target(), on: server.url('postgres') };
      expect(await proveRestore(file, manifest(), other)).to.deep.equal({ differences: [] });
      expect(await scratches()).to.deep.equal([]);
    });

    it('fails if the file has gone, without an error that nobody handles', async () => {
      const gone = join(folder, 'gone.sql');
      const thrown = await proveRestore(gone, manifest(), { target: target() }).catch((error) => error);
      expect(thrown).to.include({ code: 'ENOENT', path: gone });
      expect(await scratches()).to.deep.equal([]);
    });

    it('refuses a backup that lacks an object', async () => {
      const lacking = Object.fromEntries(
        Array.from({ length: 12 }, (_, at) => [`view public.v${at + 10}`, 'x']),
      );
      const work = proveRestore(file, manifest({ facts: { ...facts, ...lacking } }), { target: target() });
      expect(await refused(work, 'backup-unproved')).to.deep.equal({
        subject: file,
        message: `The database restored from ${file} lacks 12 objects.`,
        reason: [
          ...Object.keys(lacking)
            .slice(0, 10)
            .map((name) => `missing: ${name}`),
          '… and 2 more',
        ].join('\n'),
        next: 'Take another backup with npm run backup.',
      });
      expect(await scratches()).to.deep.equal([]);
    });

    it('does not connect to the live database for it', async () => {
      const work = proveRestore(file, manifest(), { target: target(), on: database.url });
      expect(await refused(work, 'bad-options')).to.deep.equal({
        subject: '--prove-on',
        message: `--prove-on must not be ${database.name}, the database that is backed up.`,
        reason: 'A proof does not connect to the live database.',
        next: 'Name another server, or another database of this one, such as postgres. The backup is restored into a scratch database.',
      });
      const withPassword = server.url('postgres', 'postgres', 'geheim');
      const error = await refusalOf(
        proveRestore(file, manifest(), { target: target(), on: withPassword }),
        'bad-options',
      );
      expect(error.subject).to.equal('--prove-on');
    });

    it('reads with the pg_restore that belongs to the pg_dump', async () => {
      const path = join(folder, 'pg_restore');
      writeFileSync(path, '#!/bin/sh\necho this one >&2\nexit 3\n', { mode: 0o755 });
      const pgDump = { path: join(folder, 'pg_dump'), version: '18.0', major: 18 } as PgDump;
      const custom = manifest({ format: 'custom' });
      const { reason } = await refusalOf(
        proveRestore(file, custom, { target: target() }, pgDump),
        'backup-unproved',
      );
      expect(reason).to.equal('this one');
      expect(await scratches()).to.deep.equal([]);
    });

    it('stops with the reason of its signal', async () => {
      const reason = new Error('stopped');
      const stopped = async (work: Promise<unknown>) => {
        expect(await work.catch((error: unknown) => error)).to.equal(reason);
        expect(await scratches()).to.deep.equal([]);
      };
      const signal = AbortSignal.abort(reason);
      await stopped(proveRestore(file, manifest(), { target: target() }, undefined, signal));
      await stopped(prove(target(), file, manifest(), [], { signal }, undefined));
      await stopped(prove(target(), file, manifest(), [], { signal, prove: 'restore' }, undefined));
      // A pg_restore that does not end by itself.
      writeFileSync(join(folder, 'pg_restore'), `#!/bin/sh\ntouch '${folder}/begun'\nexec sleep 600\n`, {
        mode: 0o755,
      });
      const pgDump = { path: join(folder, 'pg_dump'), version: '18.0', major: 18 } as PgDump;
      const stop = new AbortController();
      const work = proveRestore(
        file,
        manifest({ format: 'custom' }),
        { target: target() },
        pgDump,
        stop.signal,
      );
      await until(() => existsSync(join(folder, 'begun')), work);
      expect(await scratches()).to.have.length(1);
      stop.abort(reason);
      await stopped(work);
    });
  });

  describe('that was demanded', () => {
    const demand = (how?: (typeof proofs)[number], changed: Partial<Manifest> = {}, on?: string) =>
      prove(
        target(),
        file,
        manifest(changed),
        [{ kind: 'index', name: 'old_v' }],
        { prove: how, proveOn: on },
        undefined,
      );

    it('is made, and none if none is demanded', async () => {
      expect(proofs).to.deep.equal(['off', 'contents', 'restore']);
      expect(await demand()).to.deep.equal({ proof: 'contents', differences: [] });
      expect(await demand('contents')).to.deep.equal({ proof: 'contents', differences: [] });
      const differing = { facts: { ...facts, 'table public.old': 'x' } };
      const differences = ['differs: table public.old'];
      expect(await demand('restore', differing)).to.deep.equal({ proof: 'restore', differences });
      rmSync(file);
      expect(await demand('off')).to.deep.equal({ proof: 'off', differences: [] });
    });

    it('reads a compressed backup by the name of its file', async () => {
      writeFileSync(file, gzipSync(dumped));
      expect(await demand('contents', { file: 'backup.sql.gz' })).to.include({ proof: 'contents' });
      await refusalOf(demand('contents'), 'backup-unproved');
    });

    it('fails with the reason, and says that the backup was removed', async () => {
      const lacks = dumped.replace(/CREATE INDEX old_v .*\n/, '');
      writeFileSync(file, lacks);
      for (const how of ['contents', 'restore'] as const)
        expect(await refused(demand(how), 'backup-unproved')).to.deep.equal({
          subject: database.name,
          message: `The backup of ${database.name} failed its proof and was removed.`,
          reason: 'It does not create index "old_v".',
          next: 'Remove the cause, then take another backup with npm run backup.',
        });
      writeFileSync(
        file,
        dumped.replace('CREATE INDEX old_v', 'CREATE INDEX old_v ON public.none (v);\nCREATE INDEX old_v'),
      );
      await demand('contents');
      const error = await refusalOf(demand('restore'), 'backup-unproved');
      expect(error.reason).to.include('public.none');
      expect(error.cause).to.be.instanceOf(Error);
    });

    it('passes other errors on', async () => {
      await refusalOf(demand('restore', {}, database.url), 'bad-options');
      const error = await demand('restore', {}, 'postgres://nobody@127.0.0.1:1/none').catch(
        (found: unknown) => found,
      );
      expect(isUndropError(error) && error.code).to.equal('no-connection');
    });
  });

  describe('of the embedded server', () => {
    it('is made on a new one, which is removed', async () => {
      const own = join(folder, 'tmp');
      mkdirSync(own);
      // Like every dump of that server, which does not support COPY.
      const inserts = dumped
        .replace(
          /^COPY public\.old [\s\S]*?\n\\\.\n/m,
          `INSERT INTO public.old VALUES (1, 'one'), (2, 'two');\n`,
        )
        .replace(/^COPY public\.p1 [\s\S]*?\n\\\.\n/m, 'INSERT INTO public.p1 VALUES (1), (1), (1);\n');
      writeFileSync(file, inserts);
      const settings = readSettings({ DATABASE_URL: 'postgres://127.0.0.1:1/not_for_the_proof' });
      const embedded = {} as NonNullable<Target['embedded']>;
      const listeners = process.listenerCount('exit');
      const proved = await withEnvironment({ TMPDIR: own }, () =>
        proveRestore(file, manifest({ serverVersion: '13.1' }), { target: { settings, embedded } }),
      );
      // The lock of its folder.
      expect(process.listenerCount('exit')).to.equal(listeners);
      expect(proved.differences).to.deep.equal([
        'facts are not compared: the backup is from PostgreSQL 13.1',
      ]);
      expect(readdirSync(own).filter((name) => name.startsWith('undrop-'))).to.deep.equal([]);
    });
  });
});
