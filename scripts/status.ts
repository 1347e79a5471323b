import type { Command } from 'commander';
import type { KnexOptions } from '../src/migration/load-knexfile.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import type { Leftover } from '../src/status/leftovers.ts';
import { readStatus, type Status } from '../src/status/status.ts';
import { countOf, moment } from '../src/text/units.ts';
import { named, run } from './command.ts';
import { backupLine, section } from './lines.ts';
import { withKnexOptions, withProject } from './project.ts';

export default function define(command: Command): void {
  withKnexOptions(command).action((options: KnexOptions) =>
    run(
      command,
      () =>
        withProject(options, (knex, migrations) =>
          inReadOnlySession(knex, (session) => named(session, () => readStatus(session, migrations))),
        ),
      print,
    ),
  );
}

function print({ ledger, migrations, archive, approvals, backups, leftovers }: Status): string {
  return [
    section(
      `Migrations${ledger === null ? '' : `, recorded in ${ledger}`}`,
      migrations.map(({ state, name, batch, time, note }) => [
        state,
        name,
        time === null ? '' : `batch ${batch}, ${moment(time)}`,
        note ?? '',
      ]),
    ),
    section(
      'Archive',
      archive.map((entry) => [
        String(entry.id),
        entry.migration,
        `${moment(entry.droppedAt)} by ${entry.droppedBy}`,
        entry.restoredAt === null ? 'open' : `restored ${moment(entry.restoredAt)} by ${entry.restoredBy}`,
        entry.tables.map(({ sql }) => sql).join(', ') + (entry.note === null ? '' : ` (${entry.note})`),
      ]),
    ),
    section(
      'Approvals in APPROVED_DROPS and approvals.json',
      approvals.map(({ table, fingerprint, note }) => [
        fingerprint === null ? table : `${table}@${fingerprint}`,
        note,
      ]),
    ),
    section('Backups', backups.map(backupLine)),
    ...(leftovers.length === 0 ? [] : [section(scratch, leftovers.map(leftoverLine))]),
  ].join('\n');
}

const scratch = 'Scratch databases of runs that were killed or are still running';

function leftoverLine({ database, sessions, remove }: Leftover): string[] {
  return sessions === 0
    ? [database, `not in use: ${remove}`]
    : [database, `in use by ${countOf(sessions, 'session')}`];
}
