import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Creates a program in place of pg_dump, also on machines without one. It prints its version, and for all other
 * arguments runs `body`. Returns its path, for PG_DUMP.
 */
export function fakePgDump(folder: string, body: string, version = '18.0'): string {
  const path = join(mkdtempSync(join(folder, 'fake-')), 'pg_dump');
  const answer = `[ "$1" = --version ] && { echo 'pg_dump (PostgreSQL) ${version}'; exit; }`;
  writeFileSync(path, `#!/bin/sh\n${answer}\n${body}\n`, { mode: 0o755 });
  return path;
}
