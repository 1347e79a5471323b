import { type Command, InvalidArgumentError } from 'commander';
import { type ListedEntry, listArchive } from '../src/archive/list.ts';
import { type Pruned, pruneArchive } from '../src/archive/prune.ts';
import { type ExportedEntry, exportArchive } from '../src/script/export-archive.ts';
import { printable } from '../src/text/printable.ts';
import { countOf, moment, parseDuration, size } from '../src/text/units.ts';
import { reading, run, toNumber, writing } from './command.ts';
import { lines } from './lines.ts';

interface Options {
  list?: true;
  prune?: true;
  export?: string;
  entry?: number;
  migration?: string;
  olderThan?: number;
}

export default function define(command: Command): void {
  command
    .option('--list', 'list the entries of the archive (default)')
    .option('--prune', 'remove restored entries that are no longer needed')
    .option(
      '--older-than <time>',
      'with --prune: only entries restored at least this long ago, such as 30d',
      toSeconds,
    )
    .option('--export <folder>', 'write open entries, rows included, as SQL files into this folder')
    .option('--entry <number>', 'with --prune or --export: only this entry', toNumber)
    .option('--migration <name>', 'with --prune or --export: only entries of this migration')
    .action(({ list, prune, export: folder, olderThan, ...which }: Options) => {
      if ([list, prune, folder].filter((one) => one !== undefined).length > 1) {
        command.error('error: --list, --prune and --export cannot be used together');
      }
      if (olderThan !== undefined && !prune) command.error('error: --older-than requires --prune');
      if (prune) {
        const work = () => writing((session) => pruneArchive(session, { ...which, olderThan }));
        return run(command, work, printPruned);
      }
      if (folder !== undefined) {
        const work = async () =>
          reading(async (session) => ({ files: await exportArchive(session, folder, which) }));
        return run(command, work, printExported);
      }
      if (Object.keys(which).some((key) => key === 'entry' || key === 'migration')) {
        command.error('error: --entry and --migration require --prune or --export');
      }
      return run(
        command,
        () => reading(async (session) => ({ entries: await listArchive(session) })),
        printList,
      );
    });
}

function printList({ entries }: { entries: readonly ListedEntry[] }): string {
  if (entries.length === 0) return 'The archive is empty.\n';
  return entries.map((entry) => `${describe(entry).map(printable).join('\n  ')}\n`).join('');
}

function describe(entry: ListedEntry): string[] {
  const { backup } = entry;
  return [
    `${entry.id}  ${entry.migration}: ${entry.tables.map(({ sql }) => sql).join(', ')}`,
    `dropped ${moment(entry.droppedAt)} by ${entry.droppedBy}` +
      (entry.ledger === null ? '' : `, recorded in ${entry.ledger}`),
    entry.restoredAt === null ? 'open' : `restored ${moment(entry.restoredAt)} by ${entry.restoredBy}`,
    ...(entry.note === null ? [] : [entry.note]),
    ...(entry.rows === '0' ? [] : [`rows: ${entry.rows}, ${size(entry.bytes)} now`]),
    ...(entry.restorePoint === null ? [] : [`restore point: ${entry.restorePoint}`]),
    ...(entry.lsn === null ? [] : [`LSN: ${entry.lsn}`]),
    backup === null
      ? entry.backupId === null
        ? 'no backup was required'
        : `backup ${entry.backupId}, which is no longer recorded`
      : `backup ${backup.id}: ${backup.file ?? backup.attestation}, ${moment(backup.finishedAt)}, proof: ${backup.proof}`,
  ];
}

function printPruned({ removed, kept }: Pruned): string {
  const rows = [
    ...removed.map(({ id, migration }) => ['removed', String(id), migration, '']),
    ...kept.map(({ id, migration, reason }) => ['kept', String(id), migration, reason]),
  ];
  return lines(rows) || 'The archive is empty.\n';
}

function printExported({ files }: { files: readonly ExportedEntry[] }): string {
  return lines(
    files.map(({ file, bytes, rows, migration, id }) => [
      file,
      `${migration} (entry ${id})`,
      `${countOf(BigInt(rows), 'row')}, ${size(bytes)}`,
    ]),
  );
}

function toSeconds(text: string): number {
  const value = parseDuration(text);
  if (value === undefined) throw new InvalidArgumentError('It must be a duration such as 90m, 24h or 30d.');
  return value / 1000;
}
