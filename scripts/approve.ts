import { relative } from 'node:path';
import type { Command } from 'commander';
import type { KnexOptions } from '../src/migration/load-knexfile.ts';
import { approveProposal } from '../src/report/approve.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { named, run } from './command.ts';
import { lines } from './lines.ts';
import { withKnexOptions, withProject } from './project.ts';

interface Options extends KnexOptions {
  from: string;
  by?: string;
  note?: string;
}

export default function define(command: Command): void {
  withKnexOptions(command)
    .requiredOption('--from <file>', 'the proposal that report --proposal has written, with ticked boxes')
    .option('--by <name>', 'who approves (default: APPROVED_BY)')
    .option('--note <text>', 'a remark, such as the number of the pull request (default: APPROVAL_NOTE)')
    .addHelpText(
      'after',
      '\nThe approvals are written to approvals.json in the project folder, which belongs into Git.',
    )
    .action(({ from, by, note, ...options }: Options) =>
      run(
        command,
        () =>
          withProject(options, (knex, migrations, root) =>
            inReadOnlySession(knex, (session) =>
              named(session, () =>
                approveProposal(session, {
                  root,
                  migrations,
                  from,
                  by: by ?? process.env.APPROVED_BY ?? null,
                  note: note ?? process.env.APPROVAL_NOTE ?? null,
                }),
              ),
            ),
          ),
        ({ file, approved, notApproved }) =>
          lines([
            [relative('', file), '', ''],
            ...approved.map(({ table, fingerprint, migration }) => [
              'approved',
              `${table}@${fingerprint}`,
              migration,
            ]),
            ...notApproved.map(({ table, migration }) => ['not approved', table, migration]),
          ]),
      ),
    );
}
