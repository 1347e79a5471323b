import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  claimDraft,
  type Draft,
  discardDraft,
  findDrafts,
  publishDraft,
  settleDraft,
  writeDraft,
} from '../src/backup/backup-file.ts';
import { dumpArguments, planDump } from '../src/backup/dump/dump-plan.ts';
import { progressLine } from '../src/backup/dump/dump-progress.ts';
import { hashOf, measure, measureGrowing } from '../src/backup/measure.ts';
import { refusalOf } from './support/migrate.ts';

describe('a draft of a backup', () => {
  const time = new Date('2025-11-24T23:05:09.123Z');
  const asFile = { extension: 'dump', format: 'custom' };
  const asFolder = { extension: 'dir', format: 'directory' };
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-draft-'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const mode = (path: string) => statSync(path).mode & 0o777;
  const write = (draft: Draft, text: string) =>
    writeDraft(draft, async (output) => {
      await output.writeFile(text);
    });

  it('has the time in UTC in its name, and a number if that name exists', async () => {
    const inside = join(folder, 'new', 'backups');
    const first = await claimDraft(inside, asFile, time);
    const second = await claimDraft(inside, asFile, time);
    await publishDraft(second, '{}');
    await discardDraft(first);
    writeFileSync(`${first.file}.json`, '{}');
    const third = await claimDraft(inside, asFile, time);
    const names = [first, second, third].map(({ file }) => file.slice(inside.length + 1));
    expect(names).to.deep.equal([
      'by_pre_cleanup_20251124_230509.dump',
      'by_pre_cleanup_20251124_230509_2.dump',
      'by_pre_cleanup_20251124_230509_3.dump',
    ]);
    expect(mode(inside)).to.equal(0o700);
  });

  it('has a unique name if several begin at the same time', async () => {
    const drafts = await Promise.all(Array.from({ length: 10 }, () => claimDraft(folder, asFile, time)));
    expect(new Set(drafts.map(({ file }) => file))).to.have.length(10);
    expect(readdirSync(folder).sort()).to.deep.equal(
      drafts.map(({ partial }) => partial.slice(folder.length + 1)).sort(),
    );
  });

  it('gets its name and its manifest when it is complete, readable to its owner only', async () => {
    const draft = await claimDraft(folder, asFile, time);
    await write(draft, 'all of it');
    await settleDraft(draft);
    expect(existsSync(draft.file)).to.equal(false);
    await publishDraft(draft, '{}');
    expect(readFileSync(draft.file, 'utf8')).to.equal('all of it');
    expect([mode(draft.file), mode(`${draft.file}.json`)]).to.deep.equal([0o600, 0o600]);
    expect(readdirSync(folder)).to.have.length(2);
    expect(await discardDraft(draft)).to.equal(true);
    expect(readdirSync(folder)).to.have.length(2);
  });

  it('can be a directory, with files readable to their owner only', async () => {
    const draft = await claimDraft(folder, asFolder, time);
    for (const name of ['toc.dat', '2.dat', '10.dat']) writeFileSync(join(draft.partial, name), name);
    await settleDraft(draft);
    expect(mode(draft.partial)).to.equal(0o700);
    for (const name of readdirSync(draft.partial)) expect(mode(join(draft.partial, name))).to.equal(0o600);
    const list = ['10.dat', '2.dat', 'toc.dat'].map((name) => ({
      name,
      bytes: name.length,
      sha256: hashOf(name),
    }));
    expect(await measure(draft.partial)).to.deep.equal({
      bytes: 18,
      sha256: hashOf(list.map(({ name, sha256 }) => `${sha256}  ${name}\n`).join('')),
      files: list,
    });
    await publishDraft(draft, '{}');
    expect(readdirSync(draft.file)).to.have.length(3);
  });

  it('leaves no files when it is discarded', async () => {
    const draft = await claimDraft(folder, asFolder, time);
    writeFileSync(join(draft.partial, 'toc.dat'), '');
    writeFileSync(`${draft.file}.json.partial`, '');
    writeFileSync(`${draft.file}.json`, '');
    expect(await discardDraft(draft)).to.equal(false);
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('is found by other processes', async () => {
    const draft = await claimDraft(folder, asFile, time);
    writeFileSync(join(folder, 'other.partial'), '');
    const found = await findDrafts(folder);
    expect(found.map(({ path }) => path)).to.deep.equal([draft.partial]);
    expect(await findDrafts(join(folder, 'nowhere'))).to.deep.equal([]);
  });

  it('does not overwrite an existing file', async () => {
    const draft = await claimDraft(folder, asFile, time);
    writeFileSync(draft.file, 'precious');
    const error = await refusalOf(publishDraft(draft, '{}'), 'backup-failed');
    expect(error.reason).to.equal('A file or directory of that name already exists.');
    expect(readFileSync(draft.file, 'utf8')).to.equal('precious');
  });

  it('is refused if the folder is a file', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    for (const path of [file, join(file, 'below')]) {
      const error = await refusalOf(claimDraft(path, asFile, time), 'backup-failed');
      expect(error.next).to.match(/another folder|Choose a folder/);
    }
  });

  it('fails with the error of the operating system', async () => {
    const draft = await claimDraft(folder, asFile, time);
    const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'write' });
    const work = writeDraft(draft, () => Promise.reject(full));
    expect(await refusalOf(work, 'backup-failed')).to.have.property('reason', 'The disk is full.');
  });

  it('is measured while it is written', async () => {
    const draft = await claimDraft(folder, asFile, time);
    const text = 'some of it\n'.repeat(200_000);
    const written = writeDraft(draft, async (output) => {
      for (let at = 0; at < text.length; at += 500_000) {
        await output.write(text.slice(at, at + 500_000));
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    });
    expect(await measureGrowing(draft.partial, written)).to.deep.equal(await measure(draft.partial));
    expect(await measure(draft.partial)).to.include({ bytes: text.length, sha256: hashOf(text) });
  });
});

describe('the plan of a backup', () => {
  it('defaults to the format custom, and to plain on the embedded server', () => {
    expect(planDump({}, false)).to.include({ format: 'custom', extension: 'dump', lockTimeoutMs: 30_000 });
    expect(planDump({}, true)).to.include({ format: 'plain', extension: 'sql', compressed: false });
  });

  it('compresses plain backups with gzip', () => {
    for (const compress of ['3', 'gzip', 'gzip:9']) {
      const plan = planDump({ format: 'plain', compress }, false);
      expect(plan).to.include({ extension: 'sql.gz', compressed: true });
    }
    for (const compress of ['0', 'none']) {
      expect(planDump({ format: 'plain', compress }, false)).to.include({
        extension: 'sql',
        compressed: false,
      });
    }
  });

  it('is refused with a list of all mistakes', async () => {
    const planning = async (...given: Parameters<typeof planDump>) => planDump(...given);
    const reasonOf = async (...given: Parameters<typeof planDump>) =>
      (await refusalOf(planning(...given), 'bad-options')).reason.split('\n');
    expect(await reasonOf({ format: 'custom', compress: '3' }, true)).to.have.length(2);
    expect(await reasonOf({ format: 'plain', compress: 'zstd:3', jobs: 2 }, false)).to.deep.equal([
      '--jobs requires the format directory, not plain.',
      'Plain backups support only gzip compression, not zstd:3.',
    ]);
    for (const jobs of [0, 1.5, 65])
      expect(await reasonOf({ format: 'directory', jobs }, false)).to.have.length(1);
    for (const lockWaitTimeout of ['', '0', '30 seconds', '-1s', '999h']) {
      expect(await reasonOf({ lockWaitTimeout }, false), lockWaitTimeout).to.have.length(1);
    }
  });

  it('is converted to arguments, and refused if pg_dump is too old for them', async () => {
    const plan = planDump(
      { format: 'directory', jobs: 3, compress: 'zstd:3', lockWaitTimeout: '5min' },
      false,
    );
    const args = (major: number) =>
      dumpArguments(
        plan,
        { path: '', version: `${major}.1`, major },
        { snapshot: '1-2', folder: '/b', asUtf8: false },
      );
    expect(args(16)).to.include.members([
      '--snapshot=1-2',
      '--lock-wait-timeout=300000',
      '--compress=zstd:3',
    ]);
    expect(args(16)).to.include.members(['--jobs=3', '--file=/b', '--format=directory']);
    const error = await refusalOf((async () => args(15))(), 'bad-options');
    expect(error.reason).to.include('pg_dump 15.1 supports only the compression levels 0 to 9');
  });
});

describe('progressLine', () => {
  const showAll = (out: { isTTY: boolean; columns?: number }) => {
    let text = '';
    const write = (piece: string) => {
      text += piece;
    };
    const { show, clear } = progressLine({ ...out, write } as never);
    for (let seconds = 1; seconds <= 25; seconds++) {
      show({ seconds, bytes: seconds * 2e6, table: 'public.a\nb', share: 0.125 });
    }
    clear();
    return text;
  };

  it('is redrawn on a terminal and never wraps', () => {
    const lines = showAll({ isTTY: true, columns: 50 }).split('\r');
    expect(lines).to.have.length(27);
    expect(lines[25]).to.equal(
      `${'48 MB written in 25 s, 1953 kB/s, about 12 % of the tables'.slice(0, 48)}…\x1b[K`,
    );
    expect(lines[26]).to.equal('\x1b[K');
  });

  it('prints a line every ten seconds otherwise', () => {
    const at = 'about 12 % of the tables, dumping public.a\\u000ab';
    expect(showAll({ isTTY: false })).to.equal(
      `19 MB written in 10 s, 1953 kB/s, ${at}\n38 MB written in 20 s, 1953 kB/s, ${at}\n`,
    );
  });
});
