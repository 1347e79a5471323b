import { join } from 'node:path';
import type { Command } from 'commander';
import { auditEvidence, readEvidence } from '../src/audit/audit.ts';
import { readDecisions } from '../src/audit/decisions.ts';
import { formatAudit, formatAuditMarkdown } from '../src/audit/report.ts';
import { projectFolder } from '../src/knex/connection.ts';
import { reading, run, withMarkdown } from './command.ts';

interface Options {
  schema?: string[];
  decisions?: string;
}

export default function define(command: Command): void {
  withMarkdown(command)
    .option('--schema <name...>', 'only the tables of these schemas (default: all but those of the system)')
    .option(
      '--decisions <file>',
      'what was decided by people (default: decisions.json in the project folder)',
    )
    .action(({ schema, decisions }: Options) =>
      run(
        command,
        async () => {
          const file = decisions ?? join(projectFolder(), 'decisions.json');
          const decided = await readDecisions(file, decisions !== undefined);
          const evidence = await reading(readEvidence);
          return auditEvidence(evidence, decided, null, schema);
        },
        (audit) => (command.opts().format === 'markdown' ? formatAuditMarkdown(audit) : formatAudit(audit)),
      ),
    );
}
