import { createInterface } from 'node:readline/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { findGivable, giveUp } from '../src/archive/give-up.ts';
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
  giveUp?: string;
  yes?: true | undefined;
  dryRun?: true | undefined;
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
    .option('--give-up <migration>', 'with --prune: remove the rows of its open entry for good')
    .option('--yes', 'with --give-up: do not ask')
    .option('--dry-run', 'with --prune: print what would be removed, and remove nothing')
    .option('--export <folder>', 'write open entries, rows included, as SQL files into this folder')
    .option('--entry <number>', 'with --prune or --export: only this entry', toNumber)
    .option('--migration <name>', 'with --prune or --export: only entries of this migration')
    .action(({ list, prune, export: folder, olderThan, giveUp, yes, dryRun, ...which }: Options) => {
      if ([list, prune, folder].filter((one) => one !== undefined).length > 1) {
        command.error('error: --list, --prune and --export cannot be used together');
      }
      if (olderThan !== undefined && !prune) command.error('error: --older-than requires --prune');
      if (!prune && (giveUp !== undefined || dryRun)) {
        command.error('error: --give-up and --dry-run require --prune');
      }
      if (giveUp !== undefined) {
        const wanted = { migration: giveUp, entry: which.entry };
        return run(command, () => giveUpRows(command, wanted, { yes, dryRun }), printGivenUp);
      }
      if (prune) {
        const work = () => writing((session) => pruneArchive(session, { ...which, olderThan, dryRun }));
        return run(command, work, (pruned) => printPruned(pruned, dryRun));
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

interface GivenUp {
  readonly entry: ListedEntry;
  readonly done: boolean;
}

async function giveUpRows(
  command: Command,
  wanted: { migration: string; entry: number | undefined },
  { yes, dryRun }: Pick<Options, 'yes' | 'dryRun'>,
): Promise<GivenUp & { database: string }> {
  const { database, entry } = await reading(async (session) => ({
    entry: await findGivable(session, wanted),
  }));
  if (dryRun) return { database, entry, done: false };
  if (!yes)
    await confirm(
      command,
      `${describeLoss(entry)}\nIt cannot be undone. Type the name of the migration: `,
      entry.migration,
    );
  return writing(async (session) => ({
    entry: await giveUp(session, { ...wanted, entry: entry.id }),
    done: true,
  }));
}

function describeLoss({ id, migration, tables, rows, bytes, moved }: ListedEntry): string {
  const names = tables.map(({ sql }) => sql).join(', ');
  const held = moved.length > 0 ? 'the tables themselves' : `${countOf(BigInt(rows), 'row')}`;
  return printable(`Entry ${id} of ${migration} holds ${held} of ${names}, ${size(bytes)}.`);
}

async function confirm(command: Command, question: string, expected: string): Promise<void> {
  if (!process.stdin.isTTY) command.error('error: --give-up asks on a terminal; elsewhere it requires --yes');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(question).finally(() => terminal.close());
  if (answer.trim() !== expected) command.error('error: nothing was removed, because the name differs');
}

function printGivenUp({ entry, done }: GivenUp): string {
  return `${describeLoss(entry)}\n${done ? 'Removed for good. The definitions stay: undrop ddl prints them.' : 'Nothing was removed.'}\n`;
}

function printPruned({ removed, kept }: Pruned, dryRun: true | undefined): string {
  const rows = [
    ...removed.map(({ id, migration }) => [dryRun ? 'would remove' : 'removed', String(id), migration, '']),
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
