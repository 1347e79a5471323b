import { appendFileSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { findDamage } from '../src/backup/damage.ts';
import { formatManifest, manifestOf, readManifest } from '../src/backup/manifest.ts';
import { hashOf, measure } from '../src/backup/measure.ts';
import { proveContents } from '../src/backup/proof/prove-contents.ts';
import { compareWithManifest, missingIn } from '../src/backup/restore/compare-manifest.ts';
import { reversibleDrop } from '../src/index.ts';
import { inSession } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { refusalOf } from './support/migrate.ts';
import { takeBackup } from './support/take-backup.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('the proof of a backup', () => {
  const server = useServer();
  let folder: string;

  const { database, run } = useDatabase(
    server,
    `
      create table old (id serial primary key, v text);
      create table "kept 2" (id int check (id > 0));
      create index old_v on old (v);
      insert into old (v) values ('one'), ('two;'), (null);
      insert into "kept 2" values (7)`,
  );

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-proof-'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const take = (prove: 'contents' | 'restore', alter?: (dump: string) => string) =>
    takeBackup(run, database, folder, { prove }, alter);

  /** Changes a backup. Returns why its proof fails. */
  async function reasonFor(prove: 'contents' | 'restore', alter: (dump: string) => string): Promise<string> {
    const { reason } = await refusalOf(take(prove, alter), 'backup-unproved');
    expect(await run.rows('select id from undrop.backups')).to.deep.equal([]);
    expect(readdirSync(folder).filter((name) => name.endsWith('.sql'))).to.deep.equal([]);
    return reason;
  }

  for (const prove of ['contents', 'restore'] as const) {
    it(`by ${prove} succeeds for a complete one`, async () => {
      const { file, proof } = await take(prove);
      expect(proof).to.equal(prove);
      expect((await readManifest(file)).manifest).to.deep.include({ proof: prove, differences: [] });
      const left = await server.sql(
        'postgres',
        `select from pg_database where datname ~ '(proof|undrop_scratch)' and datname ~ '${database.name}'`,
      );
      expect(left).to.have.length(0);
    });
  }

  for (const [what, alter, reason] of [
    [
      'a table',
      (dump: string) => dump.replace('CREATE TABLE public.old', 'CREATE TABLE public.elsewhere'),
      'It does not create "public"."old".',
    ],
    [
      'a row',
      (dump: string) => dump.replace(/INSERT INTO public\.old .*\n/, ''),
      'It has 2 rows of "public"."old"; the table had 3.',
    ],
    [
      'an index',
      (dump: string) => dump.replace(/CREATE INDEX old_v .*\n/, ''),
      'It does not create index "old_v".',
    ],
    [
      'a constraint',
      (dump: string) => dump.replace(/ADD CONSTRAINT old_pkey .*\n/, ';'),
      'It does not create constraint "old_pkey".',
    ],
    [
      'the state of a sequence',
      (dump: string) => dump.replace(/SELECT pg_catalog\.setval\('public\.old.*\n/, ''),
      'It does not create sequence state.',
    ],
    [
      'the end',
      (dump: string) => dump.replace('-- PostgreSQL database dump complete', ''),
      'The file is incomplete: the last line of pg_dump is missing.',
    ],
  ] as const) {
    it(`by its contents fails without ${what}`, async () => {
      expect(await reasonFor('contents', alter)).to.equal(reason);
    });
  }

  it('by a restore runs no command of psql', async () => {
    const mark = join(folder, 'mark');
    const reason = await reasonFor('contents', (dump) =>
      dump.replace('CREATE TABLE', `\\! touch '${mark}'\nCREATE TABLE`),
    );
    expect(reason).to.include('\\!');
    expect(existsSync(mark)).to.equal(false);
  });

  it('by a restore fails if the file is not SQL that the server accepts', async () => {
    await refusalOf(
      take('restore', (dump) =>
        dump.replace('CREATE INDEX old_v', 'CREATE INDEX nowhere ON public.nowhere (v);\nCREATE INDEX old_v'),
      ),
      'backup-unproved',
    );
  });

  it('names all tables that lack, and takes no other rows for those of a table', async () => {
    const { file } = await take('contents');
    const tables = [
      { schema: 'public', name: 'old', rows: 4 },
      { schema: 'public', name: 'kept 2', rows: 1 },
      { schema: 'public', name: 'gone', rows: 0 },
      { schema: 'other', name: 'old', rows: 3 },
    ];
    const packing = { format: 'plain', compressed: false } as const;
    const { reason } = await refusalOf(proveContents(file, packing, { tables }), 'backup-unproved');
    expect(reason.split('\n')).to.deep.equal([
      'It does not create "public"."gone", "other"."old".',
      'It has 3 rows of "public"."old"; the table had 4.',
    ]);
  });

  describe('compares a restored database with the manifest', () => {
    const compare = async (change: string) => {
      const { file } = await take('contents');
      const { manifest } = await readManifest(file);
      // The backup was recorded after its snapshot.
      await run.knex.raw(`delete from undrop.records; delete from undrop.backups; ${change}`);
      return inSession(run.knex, (session) => compareWithManifest(session, manifest));
    };

    it('and finds no difference in the same one', async () => {
      expect((await compare('select 1')).filter((line) => !line.includes('undrop.'))).to.deep.equal([]);
    });

    for (const [what, change, reason] of [
      ['a missing table', 'drop table "kept 2"', '"public"."kept 2" is missing'],
      ['a missing row', 'delete from old where id = 1', '"public"."old" has 2 rows, not 3'],
      ['an additional row', 'insert into old values (9)', '"public"."old" has 4 rows, not 3'],
      [
        'a view in place of a table',
        'drop table "kept 2"; create view "kept 2" as select 7 as id',
        '"public"."kept 2" is missing',
      ],
    ] as const) {
      it(`and refuses ${what}`, async () => {
        const { reason: found } = await refusalOf(compare(change), 'backup-unproved');
        const lines = found.split('\n').filter((line) => !line.startsWith('"undrop".'));
        expect(lines).to.deep.equal([reason]);
      });
    }

    it('and lists other objects that are missing, new or different', async () => {
      const lines = await compare(
        `drop index old_v; alter table "kept 2" alter id set default 1; create view v as select 1 as one`,
      );
      expect(lines).to.include.members(['missing: index public.old_v', 'new: view public.v']);
      expect(lines.some((line) => line.startsWith('differs: ') && line.includes('kept 2'))).to.equal(true);
      expect(missingIn(lines).filter((line) => !line.includes('undrop.'))).to.deep.equal([
        'missing: index public.old_v',
      ]);
    });
  });

  describe('is void after a change of', () => {
    const use = () =>
      quietly(() => run.up(reversibleDrop({ name: 'm', tables: ['old'], rows: 'copy', backup: 'required' })));

    it('the manifest, also one that is consistent in itself', async () => {
      const { file } = await take('contents');
      const path = manifestOf(file);
      const { manifest } = await readManifest(file);
      writeFileSync(path, formatManifest({ ...manifest, takenBy: 'somebody' }));
      const error = await refusalOf(use(), 'backup-unproved');
      expect(error.reason).to.equal(`The SHA-256 of its manifest ${path} differs from the recorded one.`);
      writeFileSync(path, formatManifest(manifest));
      await use();
    });

    it('the file, of the same size or of another one', async () => {
      const file = join(folder, 'file');
      writeFileSync(file, 'contents');
      writeFileSync(manifestOf(file), '{}');
      const { bytes, sha256 } = await measure(file);
      const recorded = { file, bytes: String(bytes), sha256, manifestSha256: hashOf('{}') };
      expect(await findDamage(recorded)).to.equal(undefined);
      writeFileSync(file, 'CONTENTS');
      expect((await findDamage(recorded))?.reason).to.match(/^Its SHA-256 differs/);
      appendFileSync(file, 'x');
      expect(await findDamage(recorded)).to.deep.equal({
        reason: 'Its size is 9 bytes; the recorded size is 8 bytes.',
        gone: false,
      });
      writeFileSync(file, 'contents');
      writeFileSync(manifestOf(file), '[]');
      expect((await findDamage(recorded))?.reason).to.match(/^The SHA-256 of its manifest .* differs/);
      expect(await findDamage({ ...recorded, manifestSha256: null })).to.equal(undefined);
      rmSync(manifestOf(file));
      expect(await findDamage(recorded)).to.include({ gone: true });
    });
  });
});
