import type { Command } from 'commander';
import { printable } from '../src/printable.ts';
import { readStatus, type Status } from '../src/status.ts';
import { migrationsFolder, moment, reading, run } from './command.ts';

export default function define(command: Command): void {
  command.action(() =>
    run(command, () => reading((session) => readStatus(session, migrationsFolder())), print),
  );
}

function print({ ledger, migrations, archive, approvals, backups }: Status): string {
  return [
    section(
      `Migrations, recorded in ${ledger ?? 'no table yet'}`,
      migrations.map((one) => [
        one.state,
        one.name,
        one.time === null ? '' : `batch ${one.batch}, ${moment(one.time)}`,
        one.note ?? '',
      ]),
    ),
    section(
      'Archive',
      archive.map((entry) => [
        String(entry.id),
        entry.migration,
        `${moment(entry.droppedAt)} by ${entry.droppedBy}`,
        entry.restoredAt === null
          ? 'can be rolled back'
          : `restored ${moment(entry.restoredAt)} by ${entry.restoredBy}`,
        entry.tables.map(({ written }) => written).join(', ') +
          (entry.note === null ? '' : ` (${entry.note})`),
      ]),
    ),
    section(
      'Approvals in APPROVED_DROPS',
      approvals.map(({ table, fingerprint, note }) => [
        fingerprint === null ? table : `${table}@${fingerprint}`,
        note,
      ]),
    ),
    section(
      'Backups',
      backups.map((backup) => [
        moment(backup.finishedAt),
        backup.file,
        `${backup.bytes} bytes, ${backup.format}`,
        `proof: ${backup.proof}`,
        backup.own ? `on ${backup.host}` : `on ${backup.host}, of another database`,
      ]),
    ),
  ].join('\n');
}

function section(title: string, rows: readonly (readonly string[])[]): string {
  const lines = rows.length === 0 ? ['none'] : align(rows.map((row) => row.map(printable)));
  return [title, ...lines.map((line) => `  ${line}`), ''].join('\n');
}

function align(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
