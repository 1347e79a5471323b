import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { isUndropError } from '../src/errors.ts';
import { lockFolder } from '../src/knex/embedded-lock.ts';
import { skip } from './support/skip.ts';

describe('the lock of an embedded database', () => {
  let folder: string;
  let file: string;
  const children: ChildProcess[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-lock-'));
    file = join(folder, 'lock');
  });

  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
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

  const lock = (path = folder) => lockFolder(path, () => undefined);

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
});
