import { type BackupRecord, nameOf } from '../src/backup/records.ts';
import { printable } from '../src/text/printable.ts';

/** A heading, and a table under it. */
export function section(title: string, rows: readonly (readonly string[])[]): string {
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

/** ISO 8601 in UTC, to the second. */
export function moment(time: string): string {
  return `${new Date(time).toISOString().slice(0, 19)}Z`;
}

/** A backup as a row of a table. */
export function backupLine(backup: BackupRecord): string[] {
  return [
    moment(backup.finishedAt),
    nameOf(backup),
    backup.bytes === null ? '' : `${backup.bytes} bytes, ${backup.format}`,
    backup.attestation === null ? `proof: ${backup.proof}` : 'not proved',
    backup.own ? `on ${backup.host}` : `on ${backup.host}, of another database`,
    backup.reliedOnBy.length === 0 ? '' : `${backup.reliedOnBy.join(', ')} relies on it`,
  ];
}
