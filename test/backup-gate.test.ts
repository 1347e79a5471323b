import { createHash } from 'node:crypto';
import {
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { basename, isAbsolute, join, relative } from 'node:path';
import { expect } from 'chai';
import type { Knex } from 'knex';
import { ensureArchive } from '../src/archive/schema.ts';
import { requireBackup } from '../src/backup/backup-gate.ts';
import { attest } from '../src/backup/take/attest.ts';
import { backup } from '../src/backup/take/take-backup.ts';
import { readNewestRecord } from '../src/baseline/records.ts';
import { type DropOptions, reversibleDrop } from '../src/index.ts';
import { parseOptions } from '../src/options/options.ts';
import { parseTableName } from '../src/options/table-name.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { inSession } from '../src/session/session.ts';
import { findTables } from '../src/up/find-tables.ts';
import { refusalOf, runner, said, withEnvironment } from './support/migrate.ts';
import { rolePrefix } from './support/role-prefix.ts';
import { takeBackup, targetOf } from './support/take-backup.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('the gate of backups', () => {
  const server = useServer();
  let folder: string;

  const { database, run, reopen } = useDatabase(
    server,
    `
      create schema app;
      create table old (id int primary key);
      create table app."O'ld ""one"".x" (id int);
      create table kept ();
      create view seen as select * from kept;`,
  );

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-gate-'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const take = (to = folder, alter?: (dump: string) => string) =>
    takeBackup(run, database, folder, { folder: to }, alter);

  function require(tables: string[], options: Partial<DropOptions> = {}, knex: Knex = run.knex) {
    const parsed = parseOptions({ name: '001_gate', tables, backup: 'required', ...options }, {});
    return inSession(knex, async (session) => {
      const wanted = tables.map((name) => ({ ...parseTableName(name), reason: undefined }));
      const { tables: found } = await findTables(session, wanted);
      return requireBackup(session, found, parsed);
    });
  }

  const age = (interval: string) =>
    run.knex.raw(
      `update undrop.backups set started_at = now() - interval '${interval}', finished_at = now()`,
    );

  describe('a backup', () => {
    it('is recorded with the data for the gate and for verify', async () => {
      await run.knex.raw('create temporary table passing (); create unlogged table quick ()');
      const taken = await take();
      const [row] = await run.rows('select * from undrop.backups');
      const [identity] = await run.rows<{ id: string }>('select id from undrop.identity');
      expect(row).to.deep.include({
        id: String(taken.id),
        taken_by: 'postgres',
        host: hostname(),
        file: taken.file,
        format: 'plain',
        bytes: String(statSync(taken.file).size),
        sha256: createHash('sha256').update(readFileSync(taken.file)).digest('hex'),
        proof: 'contents',
        pg_dump_version: '18.0',
        database: database.name,
        identity: identity?.id,
      });
      const others = ((row?.tables ?? []) as string[]).filter((name) => !name.startsWith('undrop.'));
      expect(others).to.have.length(taken.tables);
      expect(row?.tables).to.include.members([
        'public.old',
        'app."O\'ld ""one"".x"',
        'public.quick',
        'undrop.drops',
      ]);
      expect(row?.tables).not.to.include('public.passing');
      const record = await inReadOnlySession(run.knex, readNewestRecord);
      expect(record).to.deep.include({ command: 'backup', backup: taken.file, standing: [] });
      expect(Object.keys(record?.digests ?? {})).to.include.members([
        'index public.old_pkey',
        'table app."O\'ld ""one"".x"',
        'table constraint old_pkey on public.old',
        'table public.quick',
        'view public.seen',
      ]);
    });

    it('is readable to its owner only, with a unique name and an absolute path', async () => {
      const first = await take(relative(process.cwd(), join(folder, 'deep/er')));
      const second = await take(join(folder, 'deep/er'));
      expect(isAbsolute(first.file)).to.equal(true);
      expect(statSync(first.file).mode & 0o777).to.equal(0o600);
      expect(statSync(join(folder, 'deep/er')).mode & 0o777).to.equal(0o700);
      expect(basename(first.file)).to.match(/^by_pre_cleanup_\d{8}_\d{6}\.sql$/);
      expect(second.file).not.to.equal(first.file);
      expect(second.id).to.equal(first.id + 1);
    });

    it('is not recorded if it lacks a table', async () => {
      const without = (dump: string) =>
        dump.replace('CREATE TABLE public.old', 'CREATE TABLE public.elsewhere');
      const error = await refusalOf(take(folder, without), 'backup-unproved');
      expect(error.reason).to.equal('It does not create "public"."old".');
      expect(await run.rows('select id from undrop.backups')).to.eql([]);
    });

    it('is not begun if the role cannot read all tables', async () => {
      await run.knex.raw(`create role ${rolePrefix}_weak login`);
      const weak = runner(server.url(database.name, `${rolePrefix}_weak`));
      try {
        const work = backup(weak.knex, targetOf(database), { folder });
        expect(await refusalOf(work, 'insufficient-privilege')).to.have.property('subject', 'undrop');
      } finally {
        await weak.end();
        await run.knex.raw(`drop role ${rolePrefix}_weak`);
      }
    });
  });

  describe('a migration that requires a backup', () => {
    const names = ['old', 'app."O\'ld ""one"".x"'];

    it('requires nothing with UNDROP_BACKUP=off', async () => {
      expect(await require(names, { backup: 'off' })).to.equal(null);
    });

    it('uses the newest backup that holds its tables, and records its ID', async () => {
      await take();
      const second = await take();
      await run.knex.raw('create table new ()');
      expect(await require(names)).to.equal(second.id);
      await run.up(reversibleDrop({ name: '001_gate', tables: ['old'], backup: 'required' }));
      expect(await run.rows('select backup_id from undrop.drops')).to.eql([{ backup_id: String(second.id) }]);

      const error = await refusalOf(require(['new', 'kept']), 'backup-missing');
      expect(error.reason).to.equal(`The newest, ${second.file}, does not hold public.new.`);
    });

    it('is refused if the archive has no backup', async () => {
      await inSession(run.knex, ensureArchive);
      const error = await refusalOf(require(names), 'backup-missing');
      expect(error.message).to.equal(
        `001_gate requires a backup of ${database.name} that is not older than 24 h.`,
      );
      expect(error.reason).to.equal(
        `The archive in ${database.name} has no record of a backup of this database.`,
      );
      expect(error.next).to.include('npm run backup').and.include('UNDROP_BACKUP=off');
    });

    it('does not accept a backup that is too old or dated in the future', async () => {
      const { id, file } = await take();
      await age('23 hours 59 minutes');
      expect(await require(names)).to.equal(id);
      expect(await refusalOf(require(names, { backupMaxAge: '90m' }), 'backup-missing')).to.have.property(
        'reason',
        `The newest, ${file}, is 23 h old; the maximum age is 90 min.`,
      );
      expect(await refusalOf(require(names, { backupMaxAge: '0s' }), 'backup-missing')).to.have.property(
        'code',
      );
      await age('24 hours 1 second');
      expect(await refusalOf(require(names), 'backup-missing')).to.have.property(
        'reason',
        `The newest, ${file}, is 24 h old; the maximum age is 24 h.`,
      );
      expect(await require(names, { backupMaxAge: '2d' })).to.equal(id);
      await age('-1 hours');
      expect((await refusalOf(require(names), 'backup-missing')).reason).to.include('dated in the future');
    });

    it('does not accept a backup of the database from which this one was copied or restored', async () => {
      const { id } = await take();
      await run.end();
      const copy = await server.createDatabase(undefined, { template: database.name });
      await reopen();
      const other = runner(copy.url);
      try {
        expect(await require(names)).to.equal(id);
        const error = await refusalOf(require(names, {}, other.knex), 'backup-missing');
        expect(error.reason).to.include('has no record of a backup of this database');
        await run.knex.raw(`update undrop.backups set system_identifier = '1'`);
        await refusalOf(require(names), 'backup-missing');
      } finally {
        await other.end();
        await server.dropDatabase(copy.name);
      }
    });

    it('accepts a backup after the database was renamed', async () => {
      const { id } = await take();
      await run.end();
      const name = `${database.name}_renamed`;
      await server.sql('postgres', `alter database ${database.name} rename to ${name}`);
      const renamed = runner(server.url(name));
      try {
        expect(await require(names, {}, renamed.knex)).to.equal(id);
      } finally {
        await renamed.end();
        await server.sql('postgres', `alter database ${name} rename to ${database.name}`);
        await reopen();
      }
    });

    it('checks the file if it was taken on this host', async () => {
      const { id, file, bytes } = await take();
      truncateSync(file, bytes - 1);
      expect(await refusalOf(require(names), 'backup-unproved')).to.include({
        subject: file,
        reason: `Its size is ${bytes - 1} bytes; the recorded size is ${bytes} bytes.`,
      });
      rmSync(file);
      expect((await refusalOf(require(names), 'backup-unproved')).reason).to.include('ENOENT');
      await run.knex.raw(`update undrop.backups set host = 'elsewhere'`);
      const words = await said(async () => {
        expect(await require(names)).to.equal(id);
      });
      expect(words).to.include(
        `001_gate: the backup ${file} was taken on elsewhere and does not exist on this host, so it was not checked.`,
      );
      const unseen = await refusalOf(require(names, { backupProof: 'reachable' }), 'backup-unproved');
      expect(unseen.reason).to.include('ENOENT');
    });

    it('accepts a readable backup with backupProof reachable', async () => {
      const { id } = await take();
      await run.knex.raw(`update undrop.backups set host = 'elsewhere'`);
      expect(await require(names, { backupProof: 'reachable' })).to.equal(id);
    });

    it('compares the facts of the tables with the record of the backup', async () => {
      const { id, file } = await take();
      await run.knex.raw('create table other (); drop view seen; alter table kept add column late int');
      expect(await require(names)).to.equal(id);
      for (const [change, changed] of [
        ['alter table old add column late int', 'table column public.old.late'],
        ['create index on old (id)', 'index public.old_id_idx'],
        ['drop table old; create table old (id bigint)', 'table column public.old.id'],
        ['alter table old enable row level security', 'table public.old'],
      ] as const) {
        await run.knex.raw(change);
        const error = await refusalOf(require(names), 'backup-missing');
        expect(error.subject).to.equal(file);
        expect(error.reason).to.include(changed);
        await run.knex.raw('drop table old; create table old (id int primary key)');
        expect(await require(names)).to.equal(id);
      }
    });

    it('compares the SHA-256 of the whole file', async () => {
      const { id, file } = await take();
      const text = readFileSync(file);
      const { atime, mtime } = statSync(file);
      text[text.length >> 1] = (text[text.length >> 1] ?? 0) ^ 1;
      writeFileSync(file, text);
      utimesSync(file, atime, mtime);
      expect((await refusalOf(require(names), 'backup-unproved')).reason).to.include('SHA-256');
      await run.knex.raw(`update undrop.backups set host = 'elsewhere'`);
      await refusalOf(require(names), 'backup-unproved');
      text[text.length >> 1] = (text[text.length >> 1] ?? 0) ^ 1;
      writeFileSync(file, text);
      expect(await require(names)).to.equal(id);
    });

    it('does not accept a backup without the required proof', async () => {
      const { file } = await take();
      const refused = (options: Partial<DropOptions>) =>
        refusalOf(require(names, options), 'backup-unproved');
      const weaker = await refused({ backupProof: 'restore' });
      expect(weaker).to.include({
        subject: file,
        reason: 'It was proved by its contents, not by a restore; the required proof is restore.',
      });
      expect(weaker.next).to.include('--prove restore').and.include('UNDROP_BACKUP_PROOF=contents');
      await run.knex.raw(`update undrop.backups set proof = 'off'`);
      expect((await refused({})).reason).to.equal(
        'It was taken without a proof; the required proof is contents.',
      );
      await refused({ backupProof: 'attested' });
    });

    it('accepts an attested backup only with backupProof attested', async () => {
      const words = 'RDS snapshot before-044, by Ada';
      const { id, tables } = await inSession(run.knex, (session) => attest(session, ` ${words} `));
      expect(tables).to.equal(3);
      const error = await refusalOf(require(names), 'backup-unproved');
      expect(error).to.include({
        subject: words,
        reason: 'It was attested, not proved; the required proof is contents.',
      });
      expect(error.next).to.include('UNDROP_BACKUP_PROOF=attested');
      expect(await require(names, { backupProof: 'attested' })).to.equal(id);
      await run.knex.raw('create table new ()');
      expect(
        (await refusalOf(require(['new'], { backupProof: 'attested' }), 'backup-missing')).reason,
      ).to.equal(`The newest, attested as ${words}, does not hold public.new.`);
    });

    it('refuses an attestation that is empty or contains a password', async () => {
      for (const words of [' ', 'see postgres://ada:secret@db/turing']) {
        const error = await refusalOf(
          inSession(run.knex, (session) => attest(session, words)),
          'bad-options',
        );
        expect(String(error)).not.to.include('secret@');
      }
    });

    it('changes nothing if it is refused', async () => {
      const migration = reversibleDrop({ name: '001_gate', tables: ['old'], backup: 'required' });
      await refusalOf(run.up(migration), 'backup-missing');
      expect(await run.rows('select to_regclass($$old$$) is not null as there')).to.eql([{ there: true }]);
      await withEnvironment({ UNDROP_BACKUP: 'off' }, () => run.up(migration));
      expect(await run.rows('select overrides, backup_id from undrop.drops')).to.eql([
        { overrides: ['UNDROP_BACKUP=off'], backup_id: null },
      ]);
    });
  });
});
