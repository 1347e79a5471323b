import { join } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { progressLine } from '../src/backup/dump/dump-progress.ts';
import { proofs } from '../src/backup/proof/prove.ts';
import { type Pruned, pruneBackups } from '../src/backup/prune.ts';
import { type BackupRecord, readBackups } from '../src/backup/records.ts';
import { shorten } from '../src/backup/shorten.ts';
import { type Attested, attest } from '../src/backup/take/attest.ts';
import { type Backup, type BackupOptions, backup } from '../src/backup/take/take-backup.ts';
import type { Session } from '../src/session/session.ts';
import { printable } from '../src/text/printable.ts';
import { projectFolder } from '../src/text/project-folder.ts';
import { countOf, duration, size } from '../src/text/units.ts';
import { reading, run, withTarget, writing } from './command.ts';
import { backupLine, lines, section } from './lines.ts';

interface Given extends Pick<BackupOptions, 'jobs' | 'compress' | 'lockWaitTimeout' | 'prove' | 'proveOn'> {
  folder?: string;
  dumpFormat?: BackupOptions['format'];
}

interface Options extends Given {
  attest?: string;
  list?: true;
  prune?: true;
  keep?: number;
}

export default function define(command: Command): void {
  command
    .option('--folder <folder>', 'folder for backups (default: backups in the project folder)')
    .addOption(
      new Option(
        '--dump-format <format>',
        'custom or directory for pg_restore, plain for psql; the embedded server supports only plain',
      ).choices(['custom', 'directory', 'plain']),
    )
    .option(
      '--jobs <count>',
      'tables dumped concurrently into a directory (default: number of processors, at most 4)',
      count,
    )
    .option(
      '--compress <how>',
      'compression, as for pg_dump: 0 to 9, since 16 also zstd:3 and the like; plain: gzip only',
    )
    .option('--lock-wait-timeout <time>', 'maximum wait for a locked table: 500ms, 5min (default: 30s)')
    .addOption(new Option('--prove <proof>', 'how to prove the backup (default: contents)').choices(proofs))
    .option('--prove-on <url>', 'with --prove restore: another server for the restore')
    .option('--attest <words>', 'record a backup taken by other means: its name, its time and who took it')
    .option('--list', 'list the recorded backups')
    .option('--prune', 'remove all but the newest backups of this database and those that a drop depends on')
    .option('--keep <count>', 'with --prune: the number of backups to keep', count)
    .action(({ attest: attestation, list, prune, keep, ...given }: Options) => {
      const others = [attestation !== undefined, list === true, prune === true].filter(Boolean).length;
      if (others > 1 || (others === 1 && Object.keys(given).some((key) => !everywhere.includes(key)))) {
        command.error('error: --attest, --list and --prune cannot be combined with other options');
      }
      if ((keep !== undefined) !== (prune === true) || keep === 0) {
        command.error('error: --prune and --keep require each other, and at least one backup must be kept');
      }
      if (attestation !== undefined)
        return run(command, () => writing((session) => attest(session, attestation)), printAttested);
      if (list) return run(command, () => reading(readList), printList);
      if (keep !== undefined)
        return run(command, () => writing((session) => pruneBackups(session, keep)), printPruned);
      return run(command, (signal: AbortSignal) => take(given, signal), print);
    });
}

const everywhere = ['format', 'json'];

async function readList(session: Session) {
  return { backups: await readBackups(session) };
}

function printList({ backups }: { backups: readonly BackupRecord[] }): string {
  return section('Backups', backups.map(backupLine));
}

function printAttested({ attestation, tables }: Attested): string {
  return `${printable(`attested, not proved: ${attestation}; valid for the current ${countOf(tables, 'table')}`)}\n`;
}

function printPruned({ removed, left }: Pruned): string {
  const rows = [
    ...removed.map((file) => ['removed', file, '']),
    ...left.map(({ backup: file, reason }) => ['kept', file, reason]),
  ];
  return lines(rows) || 'No backups to remove.\n';
}

function take(
  { folder = join(projectFolder(), 'backups'), dumpFormat, ...options }: Given,
  signal: AbortSignal,
) {
  const line = progressLine();
  return withTarget(async (knex, target) => ({
    database: target.settings.database,
    ...(await backup(knex, target, {
      ...options,
      ...{ folder, format: dumpFormat, signal, onProgress: line.show },
    }).finally(line.clear)),
  }));
}

function count(text: string): number {
  if (/^\d{1,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a number from 0 to 999.');
}

const proofsInWords: Readonly<Record<Backup['proof'], string>> = {
  off: 'not proved: a migration that requires a backup does not accept it',
  contents: 'proved: the contents are complete, with all tables and rows',
  restore: 'proved: restored, with all tables, rows and objects',
};

function countDifferences({ length }: readonly string[]): string {
  if (length === 0) return '';
  return length === 1 ? '; 1 attribute differs' : `; ${length} attributes differ`;
}

function print({
  file,
  bytes,
  tables,
  seconds,
  sha256,
  pgDumpVersion,
  lsn,
  proof,
  differences,
}: Backup): string {
  return [
    printable(file),
    `  ${countOf(tables, 'table')}, ${bytes} bytes (${size(bytes)}), ${duration(seconds)}, pg_dump ${pgDumpVersion}`,
    `  ${proofsInWords[proof]}${countDifferences(differences)}`,
    ...shorten(differences).map((difference) => `    ${printable(difference)}`),
    `  sha256 ${sha256}, write-ahead log ${lsn}`,
    '',
  ].join('\n');
}
