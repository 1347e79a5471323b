import { type ChildProcess, spawn } from 'node:child_process';
import { expect } from 'chai';

/** The result of a command. */
export interface Ran {
  /** The exit code; null if a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output and standard error, for text that must be in neither. */
  readonly text: string;
}

export interface CommandOptions {
  readonly cwd: string;
  /** The complete environment. */
  readonly env: NodeJS.ProcessEnv;
}

/** A command that runs in the background of the test. */
export interface Running {
  readonly child: ChildProcess;
  /** Its output so far, of both streams. */
  said(): string;
  readonly ended: Promise<Ran>;
}

export function startCommand(file: string, args: readonly string[], options: CommandOptions): Running {
  const child = spawn(file, args, { ...options, timeout: 600_000, stdio: ['ignore', 'pipe', 'pipe'] });
  const texts = { stdout: '', stderr: '' };
  let all = '';
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => {
      texts[name] += text;
      all += text;
    });
  const ended = new Promise<Ran>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, ...texts, text: texts.stdout + texts.stderr }));
  });
  return { child, said: () => all, ended };
}

/** Returns the result of a command, which must end with 0; if it does not, its output is shown. */
export async function succeeded(work: Promise<Ran>): Promise<Ran> {
  const ran = await work;
  expect(ran.status, ran.text).to.equal(0);
  return ran;
}

/** Returns the text without the lines that work of more than a second logs. */
export function withoutProgress(text: string): string {
  return text.replaceAll(/^.*: \d+ of \d+ done, \d+ left after .*\n/gm, '');
}

export function runCommand(file: string, args: readonly string[], options: CommandOptions): Promise<Ran> {
  return startCommand(file, args, options).ended;
}
