import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { PgDump } from '../../src/backup/programs/find-pg-dump.ts';
import { fakePgDump } from './fake-pg-dump.ts';
import { until } from './until.ts';

/** A pg_dump that is paused in a table of more than a megabyte, while it writes to its standard output. */
export interface PausedPgDump {
  /** The path, for PG_DUMP. */
  readonly path: string;
  /** Resolves when it is paused. */
  paused(): Promise<void>;
  resume(): void;
}

export function pausedPgDump(folder: string, native: PgDump): PausedPgDump {
  const halted = join(folder, 'halted');
  const go = join(folder, 'go');
  const wait = `head -c 20000; touch '${halted}'; until [ -e '${go}' ]; do sleep 0.05; done; cat`;
  const body = `exec bash -o pipefail -c '"$0" "$@" | { ${wait.replaceAll("'", `'\\''`)}; }' '${native.path}' "$@"`;
  return {
    path: fakePgDump(folder, body, native.version),
    paused: () => until(() => existsSync(halted)),
    resume: () => writeFileSync(go, ''),
  };
}
