import fs, { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { ensureArchive, placeSql } from '../src/archive/schema.ts';
import { readNewestBackup, requireBackup } from '../src/backup/backup-gate.ts';
import { findDamage, type Recorded } from '../src/backup/damage.ts';
import { manifestOf } from '../src/backup/manifest.ts';
import { hashOf, measure } from '../src/backup/measure.ts';
import { writeRecord } from '../src/baseline/records.ts';
import { readObjectDigests } from '../src/catalog/facts/fact-digests.ts';
import type { ErrorCode } from '../src/errors.ts';
import type { DropOptions } from '../src/index.ts';
import { parseOptions } from '../src/options/options.ts';
import { parseTableName } from '../src/options/table-name.ts';
import { inSession } from '../src/session/session.ts';
import { findTables } from '../src/up/find-tables.ts';
import { type Runner, refusalOf, runner, said } from './support/migrate.ts';
import { type TestDatabase, type TestServer, testServer } from './support/server.ts';

/** Returns the files that are read during the work. */
async function filesRead(work: () => Promise<unknown>, fail?: Error): Promise<string[]> {
  const { createReadStream } = fs;
  const read: string[] = [];
  fs.createReadStream = ((...args: Parameters<typeof createReadStream>) => {
    if (fail !== undefined) throw fail;
    read.push(String(args[0]));
    return createReadStream(...args);
  }) as typeof createReadStream;
  syncBuiltinESMExports();
  try {
    await work();
  } finally {
    fs.createReadStream = createReadStream;
    syncBuiltinESMExports();
  }
  return read;
}

/** Writes a backup with its manifest, and returns its record. */
async function write(file: string, text: string): Promise<Recorded> {
  writeFileSync(file, text);
  writeFileSync(manifestOf(file), '{}');
  const { bytes, sha256 } = await measure(file);
  return { file, bytes: String(bytes), sha256, manifestSha256: hashOf('{}') };
}

describe('the record of the file of a backup', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-gate-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('notices a change of a file in a directory', async () => {
    const file = join(folder, 'directory');
    mkdirSync(file);
    for (const name of ['toc.dat', '2.dat', '10.dat']) writeFileSync(join(file, name), `of ${name}`);
    const { bytes, sha256 } = await measure(file);
    writeFileSync(manifestOf(file), '{}');
    const recorded = { file, bytes: String(bytes), sha256, manifestSha256: hashOf('{}') };
    expect(bytes).to.equal(27);
    expect(await findDamage(recorded)).to.equal(undefined);
    writeFileSync(join(file, '2.dat'), 'OF 2.dat');
    expect(await findDamage(recorded)).to.deep.equal({
      reason: 'Its SHA-256 differs from the recorded one: the file was changed or is corrupt.',
      gone: false,
    });
    writeFileSync(join(file, '2.dat'), 'of 2.dat');
    expect(await findDamage(recorded)).to.equal(undefined);
    renameSync(join(file, '2.dat'), join(file, '3.dat'));
    expect((await findDamage(recorded))?.reason).to.match(/^Its SHA-256 differs/);
    rmSync(join(file, '3.dat'));
    expect((await findDamage(recorded))?.reason).to.equal(
      'Its size is 19 bytes; the recorded size is 27 bytes.',
    );
    rmSync(file, { recursive: true });
    const { reason, gone } = (await findDamage(recorded)) ?? {};
    expect([gone, reason]).to.deep.equal([
      true,
      `The file cannot be read: ENOENT: no such file or directory, stat '${file}'`,
    ]);
    expect(await findDamage({ ...recorded, file: `${file}\0` })).to.include({ gone: false });
  });

  it('is compared with the manifest too, where it was recorded', async () => {
    const recorded = await write(join(folder, 'file'), 'contents');
    const manifest = manifestOf(recorded.file);
    expect(await findDamage(recorded)).to.equal(undefined);
    writeFileSync(manifest, '[]');
    expect(await findDamage(recorded)).to.deep.equal({
      reason: `The SHA-256 of its manifest ${manifest} differs from the recorded one.`,
      gone: false,
    });
    expect(await findDamage({ ...recorded, manifestSha256: null })).to.equal(undefined);
    rmSync(manifest);
    expect(await findDamage(recorded)).to.include({ gone: true });
    expect(await findDamage({ ...recorded, manifestSha256: null })).to.equal(undefined);
  });

  it('is compared with a hash that is read once, until a file is written or replaced', async () => {
    const recorded = await write(join(folder, 'file'), 'contents');
    const { file } = recorded;
    const read = (fail?: Error) =>
      filesRead(async () => {
        const damage = await findDamage(recorded);
        expect(damage?.reason).to.equal(fail && `The file cannot be read: ${fail.message}`);
      }, fail);
    // A failure is not remembered.
    expect(await read(new Error('the disk is away'))).to.deep.equal([]);
    expect(await read()).to.deep.equal([file]);
    expect(await read()).to.deep.equal([]);
    writeFileSync(`${file}.other`, 'contents');
    renameSync(`${file}.other`, file);
    expect(await read()).to.deep.equal([file]);
    expect(await read()).to.deep.equal([]);
  });
});

describe('the choice of a backup', () => {
  let server: TestServer;
  let database: TestDatabase;
  let run: Runner;
  let folder: string;

  before(async () => {
    server = await testServer();
    database = await server.createDatabase();
    run = runner(database.url);
    await run.knex.raw('create table old (id int); create table kept (id int)');
    await inSession(run.knex, ensureArchive);
    folder = mkdtempSync(join(tmpdir(), 'undrop-gate-'));
  });

  beforeEach(async () => {
    await run.knex.raw('delete from undrop.records; delete from undrop.backups');
  });

  after(async () => {
    await run?.end();
    if (database !== undefined) await server.dropDatabase(database.name);
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  function require(options: Partial<DropOptions> = {}, tables = ['old']) {
    const parsed = parseOptions({ name: '001_gate', tables, backup: 'required', ...options }, {});
    return inSession(run.knex, async (session) => {
      const wanted = tables.map((name) => ({ ...parseTableName(name), reason: undefined }));
      return requireBackup(session, (await findTables(session, wanted)).tables, parsed);
    });
  }

  async function refused(work: Promise<unknown>, code: ErrorCode) {
    const { subject, message, reason, next } = await refusalOf(work, code);
    return { subject, message, reason, next };
  }

  const insertSql = /* sql */ `
    insert into undrop.backups (host, proof, file, format, bytes, sha256, manifest_sha256, attestation, pg_dump_version,
      server_version, tables, started_at, finished_at, database, database_oid, system_identifier, identity)
    select ?, ?, ?, 'plain', ?, ?, ?, ?, '18.0', '15.0', ?, clock_timestamp() - ?::interval,
      clock_timestamp() - ?::interval, p.database, p.database_oid, p.system_identifier, coalesce(?, p.identity)
    from (${placeSql}) as p
    returning id`;

  interface Row {
    proof: string;
    age: string;
    host: string;
    tables: string[];
    file: Recorded | null;
    attestation: string | null;
    identity: string | null;
  }

  let count = 0;
  /** Records a backup, with a file unless it is attested. Returns its ID and its file. */
  async function insert(changed: Partial<Row> = {}): Promise<{ id: number; file: string }> {
    const { proof = 'contents', age = '1 hour', host = hostname(), tables = ['public.old'] } = changed;
    const { attestation = null, identity = null } = changed;
    const recorded =
      attestation === null
        ? (changed.file ?? (await write(join(folder, `backup-${++count}.sql`), 'dump')))
        : null;
    const { rows } = await run.knex.raw(insertSql, [
      ...[host, proof, recorded?.file ?? null, recorded?.bytes ?? null, recorded?.sha256 ?? null],
      ...[recorded?.manifestSha256 ?? null, attestation, JSON.stringify(tables), age, age, identity],
    ] as string[]);
    return { id: Number(rows[0].id), file: recorded?.file ?? '' };
  }
  const foreign = '00000000-0000-0000-0000-000000000000';

  it('takes the newest one that has the required proof', async () => {
    const restored = await insert({ proof: 'restore', age: '4 hours' });
    const contents = await insert({ age: '3 hours' });
    const attested = await insert({ proof: 'attested', age: '2 hours', attestation: 'snapshot 7' });
    await insert({ proof: 'off', age: '1 hour' });
    await insert({ proof: 'restore', age: '1 minute', identity: foreign });
    expect(await require({ backup: 'off' })).to.equal(null);
    expect(await require()).to.equal(contents.id);
    expect(await require({ backupProof: 'contents' })).to.equal(contents.id);
    expect(await require({ backupProof: 'reachable' })).to.equal(contents.id);
    expect(await require({ backupProof: 'restore' })).to.equal(restored.id);
    const words = await said(async () => {
      expect(await require({ backupProof: 'attested' })).to.equal(attested.id);
    });
    expect(words).to.include('001_gate: uses an attested backup: snapshot 7');
    const newest = await insert({ proof: 'restore', age: '1 second' });
    expect(await said(require)).to.equal('');
    expect(await require()).to.equal(newest.id);
  });

  it('refuses those without the required proof, and says how to get one', async () => {
    const { file } = await insert({ proof: 'off' });
    const unproved = async (options: Partial<DropOptions>) => refused(require(options), 'backup-unproved');
    const message = (what: string) => `The backup ${what} does not have the proof that 001_gate requires.`;
    expect(await unproved({})).to.deep.equal({
      subject: file,
      message: message(file),
      reason: 'It was taken without a proof; the required proof is contents.',
      next: 'Take one with npm run backup.',
    });
    expect((await unproved({ backupProof: 'attested' })).reason).to.match(
      /; the required proof is attested\.$/,
    );
    expect((await unproved({ backupProof: 'reachable' })).reason).to.match(
      /; the required proof is reachable\.$/,
    );
    await insert({ proof: 'attested', age: '1 minute', attestation: 'snapshot 7' });
    expect(await unproved({})).to.deep.equal({
      subject: 'snapshot 7',
      message: message('snapshot 7'),
      reason: 'It was attested, not proved; the required proof is contents.',
      next: 'Take one with npm run backup. To accept the attested backup, set UNDROP_BACKUP_PROOF=attested.',
    });
    const contents = await insert({ age: '1 second' });
    expect(await unproved({ backupProof: 'restore' })).to.deep.equal({
      subject: contents.file,
      message: message(contents.file),
      reason: 'It was proved by its contents, not by a restore; the required proof is restore.',
      next: 'Take one with npm run backup -- --prove restore. To accept a weaker proof, set UNDROP_BACKUP_PROOF=contents.',
    });
  });

  it('does not accept a proof of which it knows nothing', async () => {
    await insert({ proof: 'hearsay' });
    for (const backupProof of ['attested', 'contents', 'restore'] as const)
      expect((await refused(require({ backupProof }), 'backup-unproved')).reason).to.equal(
        `It has the proof hearsay, which this version does not know; the required proof is ${backupProof}.`,
      );
  });

  it('refuses one that is too old, is of the future, or lacks a table, and says which', async () => {
    const missing = (tables?: string[]) => refused(require({}, tables), 'backup-missing');
    const about = {
      subject: database.name,
      message: `001_gate requires a backup of ${database.name} that is not older than 24 h.`,
      next: 'Take one with npm run backup. To continue without a backup, set UNDROP_BACKUP=off.',
    };
    const none = {
      ...about,
      reason: `The archive in ${database.name} has no record of a backup of this database.`,
    };
    expect(await missing()).to.deep.equal(none);
    await insert({ identity: foreign });
    expect(await missing()).to.deep.equal(none);
    const old = await insert({ age: '25 hours' });
    expect(await missing()).to.deep.equal({
      ...about,
      reason: `The newest, ${old.file}, is 25 h old; the maximum age is 24 h.`,
    });
    await insert({ proof: 'attested', age: '24 hours 1 second', attestation: 'snapshot 7', tables: [] });
    expect(await missing(['old', 'kept'])).to.deep.equal({
      ...about,
      reason: 'The newest, attested as snapshot 7, does not hold public.kept, public.old.',
    });
    const { file } = await insert({ age: '-1 hours' });
    expect(await missing()).to.deep.equal({
      ...about,
      reason: `The newest, ${file}, is dated in the future; the server's clock was set back.`,
    });
    const { id } = await insert({ age: '23 hours 59 minutes' });
    expect(await require()).to.equal(id);
    expect((await missing(['old', 'kept'])).reason).to.include('does not hold public.kept');
  });

  it('refuses one whose file is damaged or gone', async () => {
    const { id, file } = await insert();
    writeFileSync(file, 'DUMP');
    const unusable = {
      subject: file,
      message: `The backup ${file} is not usable.`,
      next: 'Take another backup with npm run backup.',
    };
    const damaged = {
      ...unusable,
      reason: 'Its SHA-256 differs from the recorded one: the file was changed or is corrupt.',
    };
    const gone = {
      ...unusable,
      reason: `The file cannot be read: ENOENT: no such file or directory, stat '${file}'`,
    };
    expect(await refused(require(), 'backup-unproved')).to.deep.equal(damaged);
    rmSync(file);
    expect(await refused(require(), 'backup-unproved')).to.deep.equal(gone);
    // It may be accessible on another host, where it was taken.
    await run.knex.raw(`update undrop.backups set host = 'elsewhere'`);
    const words = await said(async () => {
      expect(await require()).to.equal(id);
    });
    expect(words).to.include(
      `001_gate: the backup ${file} was taken on elsewhere and does not exist on this host, so it was not checked. ` +
        'To refuse such a backup, set UNDROP_BACKUP_PROOF=reachable.',
    );
    expect(await refused(require({ backupProof: 'reachable' }), 'backup-unproved')).to.deep.equal(gone);
    writeFileSync(file, 'DUMP');
    expect(await refused(require(), 'backup-unproved')).to.deep.equal(damaged);
  });

  it('refuses one after which a table was changed', async () => {
    const record = async (backup: number, digests: Readonly<Record<string, string>> = {}) =>
      inSession(run.knex, async (session) => {
        const all = { ...(await readObjectDigests(session)), ...digests };
        await writeRecord(
          session,
          { digests: all, surroundings: {}, standing: [] },
          { command: 'a test', backup },
        );
      });
    const { id, file } = await insert();
    await record(id, { 'table public.kept': 'x' });
    expect(await require()).to.equal(id);
    const about = {
      message: '001_gate requires a backup with the current structure of its tables.',
      reason: 'Changed after the newest backup: table column public.old.id, table public.old.',
      next: 'Take one with npm run backup. To continue without a backup, set UNDROP_BACKUP=off.',
    };
    const changed = { 'table public.old': 'x', 'table column public.old.id': 'x' };
    await record(id, changed);
    expect(await refused(require(), 'backup-missing')).to.deep.equal({ subject: file, ...about });
    const attested = await insert({ proof: 'attested', age: '1 second', attestation: 'snapshot 7' });
    await record(attested.id, changed);
    const work = require({ backupProof: 'attested' });
    expect(await refused(work, 'backup-missing')).to.deep.equal({ subject: 'snapshot 7', ...about });
  });

  describe('in advance', () => {
    const inAdvance = async (prepare = 'select 1', where = database.name) => {
      const client = await server.client(where);
      try {
        await client.query(prepare);
        await readNewestBackup(client);
      } finally {
        await client.end();
      }
    };

    it('reads the file of the newest backup, so that none is read in the transaction', async () => {
      await insert({ age: '2 hours' });
      const { file, id } = await insert();
      await insert({ age: '1 minute', proof: 'attested', attestation: 'snapshot 7' });
      await insert({ age: '1 second', identity: foreign });
      expect(await filesRead(inAdvance)).to.deep.equal([file]);
      const read = await filesRead(async () => {
        expect(await require()).to.equal(id);
      });
      expect(read).to.deep.equal([]);
    });

    it('reports nothing: neither damage, nor an archive that is missing or cannot be read', async () => {
      const { file } = await insert();
      rmSync(file);
      await inAdvance();
      await inAdvance('set role pg_monitor');
      const other = await server.createDatabase();
      try {
        await inAdvance('select 1', other.name);
      } finally {
        await server.dropDatabase(other.name);
      }
    });
  });
});
