import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import { isUndropError } from '../src/errors.ts';
import { lockFolder, type Pace } from '../src/knex/embedded-lock.ts';
import { logTo } from '../src/text/log.ts';
import { skip } from './support/skip.ts';
import { until } from './support/until.ts';

describe('the lock of an embedded database', () => {
  let folder: string;
  let file: string;
  const children: ChildProcess[] = [];
  const releases: (() => void)[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-lock-'));
    file = join(folder, 'lock');
  });

  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    for (const release of releases.splice(0)) release();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Starts a process that locks the folder, and keeps the lock until it is killed. */
  async function holder(): Promise<ChildProcess> {
    const module = JSON.stringify(new URL('../src/knex/embedded-lock.ts', import.meta.url).href);
    const code = `const { lockFolder } = await import(${module});
      await lockFolder(${JSON.stringify(folder)}, () => undefined); process.stdout.write('locked'); setInterval(() => {}, 1e6);`;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', code];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    return child;
  }

  /** The end of the test releases it, also if the test fails. */
  async function lock(path = folder, lost = () => {}, pace?: Pace): Promise<() => void> {
    const release = await lockFolder(path, lost, pace);
    releases.push(release);
    return release;
  }

  /** Returns what the work logs, and its result. */
  async function withLog<T>(work: () => Promise<T>): Promise<{ lines: string[]; result: T }> {
    const lines: string[] = [];
    const result = await logTo((line) => lines.push(line), work);
    return { lines, result };
  }

  async function refusal(): Promise<{ subject: string; message: string; reason: string; next: string }> {
    try {
      await lock();
    } catch (error) {
      if (isUndropError(error) && error.code === 'in-use') return error;
      throw error;
    }
    throw new Error('The folder was locked twice.');
  }

  it('of a running process is respected, and that of a killed process is replaced', async () => {
    const child = await holder();
    const { subject, message, next } = await refusal();
    expect(subject).to.equal(folder);
    expect(message).to.include(`in use by process ${child.pid}.`);
    expect(next).to.include(file);
    expect(readFileSync(file, 'utf8')).to.match(
      new RegExp(`^${child.pid} (\\d+|unknown) \\S+ \\S+ \\S+\\n$`),
    );
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    const release = await lock();
    expect(readFileSync(file, 'utf8')).to.match(
      new RegExp(`^${process.pid} (\\d+|unknown) \\S+ \\S+ \\S+\\n$`),
    );
    release();
    expect(readdirSync(folder)).to.deep.equal([]);
  });

  it('of a process of another user is respected', async function () {
    if (!existsSync('/proc/1/stat')) skip(this, 'the system has no /proc');
    // Process 1 exists always; a signal to it may be refused with EPERM, and root may send it.
    const start = readFileSync('/proc/1/stat', 'utf8').split(') ')[1]?.split(' ')[19];
    writeFileSync(file, `1 ${start}\n`);
    expect((await refusal()).message).to.include('in use by process 1 on ');
  });

  it('of a process whose ID was given to another one is replaced', async () => {
    const child = await holder();
    writeFileSync(file, `${child.pid} 1\n`);
    (await lock())();
    expect(existsSync(file)).to.equal(false);
  });

  it('of an earlier process with the same ID, and one without an ID, are replaced', async () => {
    await lock();
    const own = readFileSync(file, 'utf8');
    for (const text of [
      own,
      `${process.pid} 1\n`,
      '',
      'x 1\n',
      '-1 1\n',
      '0 1\n',
      '0 unknown\n',
      'x unknown\n',
    ]) {
      writeFileSync(file, text);
      (await lock())();
      expect(readdirSync(folder), text).to.deep.equal([]);
    }
  });

  it('of a process that may not be signalled is respected', async () => {
    const { kill } = process;
    const fails = (code: string) => () => {
      throw Object.assign(new Error(code), { code });
    };
    writeFileSync(file, '4194304 1\n');
    try {
      process.kill = fails('EPERM');
      expect((await refusal()).reason).to.include('Only one process at a time');
      process.kill = fails('ESRCH');
      (await lock())();
    } finally {
      process.kill = kill;
    }
  });

  it('is released at the end of the process, also where its file is gone', async () => {
    const module = JSON.stringify(new URL('../src/knex/embedded-lock.ts', import.meta.url).href);
    const code = `const { lockFolder } = await import(${module});
      await lockFolder(${JSON.stringify(folder)}, () => undefined);`;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', code];
    const [status] = await once(spawn(process.execPath, args, { stdio: 'inherit' }), 'exit');
    expect([status, ...readdirSync(folder)]).to.deep.equal([0]);
    const listeners = process.listenerCount('exit');
    const release = await lock();
    expect(process.listenerCount('exit')).to.equal(listeners + 1);
    rmSync(file);
    release();
    expect(process.listenerCount('exit')).to.equal(listeners);
  });

  it('fails with the error of the system if the folder cannot be used', async () => {
    const failure = () => lock().then(() => '', String);
    mkdirSync(file);
    expect(await failure()).to.include('EISDIR');
    rmSync(file, { recursive: true });
    mkdirSync(`${file}.${process.pid}`);
    expect(await failure()).to.include('EISDIR');
  });

  it('is released once, and never that of another process', async () => {
    const release = await lock();
    writeFileSync(file, '1 2\n');
    release();
    release();
    expect(readFileSync(file, 'utf8')).to.equal('1 2\n');
  });

  it('is created with its folder, which only the owner can read', async () => {
    const inner = join(folder, 'a', 'b');
    (await lock(inner))();
    expect(existsSync(inner)).to.equal(true);
  });

  describe('of a process that this one cannot see', () => {
    const elsewhere = '1 1 elsewhere 4b0a pid:[1]\n';
    const pace = { beat: 20, silence: 400 };
    let lost = 0;
    const take = (silence = pace.silence) => lock(folder, () => lost++, { ...pace, silence });
    // So long that no delay of this process is taken for the silence of the holder.
    const patiently = () => take(60_000);
    const outcome = () =>
      patiently().then(
        (release) => release,
        (error: unknown) => String(error),
      );

    beforeEach(() => {
      lost = 0;
    });

    it('is waited for with a line that names its host, and replaced if it is silent', async () => {
      writeFileSync(file, elsewhere);
      const begun = performance.now();
      const { lines, result: release } = await withLog(() => take());
      expect(performance.now() - begun).to.be.at.least(pace.silence);
      expect(lines).to.deep.equal([`Waiting 0.4 s to see whether ${file} is in use on elsewhere`]);
      expect(readFileSync(file, 'utf8')).to.match(new RegExp(`^${process.pid} `));
      release();
      expect(readdirSync(folder)).to.deep.equal([]);
    });

    const other = '7 1 third 4b0a pid:[1]\n';
    for (const [title, change, left] of [
      // Any other time, earlier ones too: the clocks of two hosts differ.
      ['as soon as its time changes', () => utimesSync(file, new Date(1e12), new Date(1e12)), elsewhere],
      [
        'if another process replaces it, with the first holder in the message',
        () => writeFileSync(file, other),
        other,
      ],
    ] as const)
      it(`is respected ${title}`, async () => {
        writeFileSync(file, elsewhere);
        const timer = setTimeout(change, 100);
        const { result } = await withLog(outcome);
        clearTimeout(timer);
        expect(result).to.include('is in use by process 1 on elsewhere.');
        expect(readFileSync(file, 'utf8')).to.equal(left);
      });

    it('is not waited for any longer once it is released', async () => {
      writeFileSync(file, elsewhere);
      const timer = setTimeout(() => rmSync(file), 50);
      const begun = performance.now();
      const { result: release } = await withLog(patiently);
      clearTimeout(timer);
      expect(performance.now() - begun).to.be.below(30_000);
      release();
      expect(lost).to.equal(0);
    });

    it('of the same host in another boot or PID namespace is such a lock', async () => {
      for (const change of [/\S+$/, /\S+(?= \S+$)/]) {
        (await take())();
        const release = await take();
        const own = readFileSync(file, 'utf8').trim();
        release();
        writeFileSync(file, `${own.replace(change, 'other').replace(/^\d+/, '1')}\n`);
        const { lines, result } = await withLog(() => take());
        expect(lines, String(change)).to.have.length(1);
        result();
      }
    });

    it('is kept alive by its time, until it is released', async () => {
      const release = await take();
      const old = new Date(1e12);
      utimesSync(file, old, old);
      await until(() => statSync(file).mtimeMs !== old.getTime());
      expect(Date.now() - statSync(file).mtimeMs).to.be.below(60_000);
      release();
      writeFileSync(file, elsewhere);
      utimesSync(file, old, old);
      await sleep(5 * pace.beat);
      expect(statSync(file).mtimeMs).to.equal(old.getTime());
      expect(lost).to.equal(0);
    });

    it('that replaced the own one is left, and the loss is reported once', async () => {
      const listeners = process.listenerCount('exit');
      const release = await take();
      writeFileSync(file, elsewhere);
      await until(() => lost > 0);
      await sleep(5 * pace.beat);
      expect(lost).to.equal(1);
      expect(process.listenerCount('exit')).to.equal(listeners);
      release();
      expect(readFileSync(file, 'utf8')).to.equal(elsewhere);
    });
  });

  it('of an earlier version, which wrote no place, is judged by its process', async () => {
    const child = await holder();
    const [pid, start] = readFileSync(file, 'utf8').split(' ');
    writeFileSync(file, `${pid} ${start}\n`);
    expect((await refusal()).message).to.include(`in use by process ${pid}`);
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
    const { lines, result: release } = await withLog(() => lock());
    expect(lines).to.deep.equal([]);
    release();
  });
});
