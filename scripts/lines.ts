import { type BackupRecord, nameOf } from '../src/backup/records.ts';
import { align } from '../src/text/terminal.ts';
import { moment, size } from '../src/text/units.ts';

/** Formats rows as aligned lines; without rows, returns an empty text. */
export function lines(rows: readonly (readonly string[])[]): string {
  return align(rows)
    .map((line) => `${line}\n`)
    .join('');
}

/** Formats a heading with a table below it. */
export function section(title: string, rows: readonly (readonly string[])[]): string {
  return [title, ...align(rows.length === 0 ? [['none']] : rows, '  '), ''].join('\n');
}

/** Returns a backup as a row of a table. */
export function backupLine(backup: BackupRecord): string[] {
  return [
    moment(backup.finishedAt),
    nameOf(backup),
    backup.bytes === null ? '' : `${size(backup.bytes)}, ${backup.format}`,
    backup.attestation === null ? `proof: ${backup.proof}` : 'not proved',
    backup.own ? `on ${backup.host}` : `on ${backup.host}, of another database`,
    backup.reliedOnBy.length === 0 ? '' : `${backup.reliedOnBy.join(', ')} relies on it`,
  ];
}
