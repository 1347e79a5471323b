import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type Backup, type BackupOptions, backup } from '../src/backup/backup.ts';
import { progressLine, sizeInWords } from '../src/backup/progress.ts';
import { proofs } from '../src/backup/prove.ts';
import { interruptible } from '../src/interruptible.ts';
import { projectFolder } from '../src/knex/connection.ts';
import { printable } from '../src/printable.ts';
import { run, withTarget } from './command.ts';

interface Given extends Pick<BackupOptions, 'jobs' | 'compress' | 'lockWaitTimeout' | 'prove'> {
  folder?: string;
  dumpFormat?: BackupOptions['format'];
}

export default function define(command: Command): void {
  command
    .option('--folder <folder>', 'where backups are kept (default: backups in the project folder)')
    .addOption(
      new Option(
        '--dump-format <format>',
        'custom or directory for pg_restore, plain for psql; the embedded server has only plain',
      ).choices(['custom', 'directory', 'plain']),
    )
    .option(
      '--jobs <count>',
      'tables written at once into a directory (default: processors, at most 4)',
      count,
    )
    .option(
      '--compress <how>',
      'as pg_dump takes it: 0 to 9, from 16 on zstd:3 and the like; plain: gzip only',
    )
    .option('--lock-wait-timeout <time>', 'longest wait for a locked table: 500ms, 5min (default: 30s)')
    .addOption(new Option('--prove <proof>', 'how it is proved (default: contents)').choices(proofs))
    .action((given: Given) => run(command, () => take(given), print));
}

function take({ folder = join(projectFolder(), 'backups'), dumpFormat, ...options }: Given) {
  const line = progressLine();
  return interruptible('The backup', (signal) =>
    withTarget(async (knex, target) => ({
      database: target.settings.database,
      ...(await backup(knex, target, {
        ...options,
        ...{ folder, format: dumpFormat, signal, onProgress: line.show },
      }).finally(line.clear)),
    })),
  );
}

function count(text: string): number {
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It is not a number.');
}

const proofsInWords: Readonly<Record<Backup['proof'], string>> = {
  off: 'not proved, as you asked: no migration takes it for a backup',
  contents: 'proved: its contents, read to the end, create every table',
  restore: 'proved: restored, with every table and every row',
};

function print({ file, bytes, tables, seconds, sha256, pgDumpVersion, lsn, proof }: Backup): string {
  return [
    printable(file),
    `  ${tables} tables, ${bytes} bytes (${sizeInWords(bytes)}), ${seconds.toFixed(1)} s, pg_dump ${pgDumpVersion}`,
    `  ${proofsInWords[proof]}`,
    `  sha256 ${sha256}, write-ahead log ${lsn}`,
    '',
  ].join('\n');
}
