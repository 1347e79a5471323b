import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { type Backup, backup } from '../src/backup/backup.ts';
import type { BackupFormat } from '../src/backup/pg-dump.ts';
import { projectFolder } from '../src/knex/connection.ts';
import { printable } from '../src/printable.ts';
import { say } from '../src/say.ts';
import { run, withTarget } from './command.ts';

interface Given {
  folder?: string;
  dumpFormat?: BackupFormat;
}

export default function define(command: Command): void {
  command
    .option('--folder <folder>', 'where backups are kept (default: backups in the project folder)')
    .addOption(
      new Option(
        '--dump-format <format>',
        'for pg_restore or for psql; the embedded server has only plain',
      ).choices(['custom', 'plain']),
    )
    .action(({ folder, dumpFormat }: Given) =>
      run(
        command,
        () =>
          withTarget(async (knex, target) => ({
            database: target.settings.database,
            ...(await backup(knex, target, {
              folder: folder ?? join(projectFolder(), 'backups'),
              format: dumpFormat,
              onProgress: (bytes) => say(`${bytes} bytes written`),
            })),
          })),
        print,
      ),
    );
}

function print({ file, bytes, tables, seconds, sha256, pgDumpVersion }: Backup): string {
  return [
    printable(file),
    `  ${tables} tables, ${bytes} bytes, ${seconds.toFixed(1)} s, pg_dump ${pgDumpVersion}`,
    '  proved: its contents, read to the end, create every table',
    `  sha256 ${sha256}`,
    '',
  ].join('\n');
}
