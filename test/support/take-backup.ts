import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureArchive } from '../../src/archive/schema.ts';
import { type Backup, type BackupOptions, backup } from '../../src/backup/take/take-backup.ts';
import { readSettings } from '../../src/knex/settings.ts';
import type { Target } from '../../src/knex/target.ts';
import { inSession } from '../../src/session/session.ts';
import { fakePgDump } from './fake-pg-dump.ts';
import { type Runner, withEnvironment } from './migrate.ts';
import { pgDump } from './pg-dump.ts';
import type { TestDatabase } from './server.ts';

export function targetOf({ url }: TestDatabase): Target {
  return { settings: readSettings({ DATABASE_URL: url }), embedded: undefined };
}

/**
 * Takes a backup with a fake pg_dump that prints the dump of the judge, changed by `alter`. Needs no pg_dump.
 *
 * @param scratch an existing folder; also for the backup, unless the options name another one
 */
export async function takeBackup(
  { knex }: Runner,
  database: TestDatabase,
  scratch: string,
  options: Partial<BackupOptions> = {},
  alter = (dump: string) => dump,
): Promise<Backup> {
  await inSession(knex, ensureArchive);
  const dump = join(scratch, 'dump');
  writeFileSync(dump, alter(await pgDump(database.url)));
  return withEnvironment({ PG_DUMP: fakePgDump(scratch, `cat '${dump}'`) }, () =>
    backup(knex, targetOf(database), { folder: scratch, format: 'plain', ...options }),
  );
}
