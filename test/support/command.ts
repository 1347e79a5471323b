import { spawn } from 'node:child_process';

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

export function runCommand(file: string, args: readonly string[], options: CommandOptions): Promise<Ran> {
  const child = spawn(file, args, { ...options, timeout: 600_000, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status) => resolve({ status, stdout, stderr, text: stdout + stderr }));
  });
}
