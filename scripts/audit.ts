import { join } from 'node:path';
import type { Command } from 'commander';
import { auditEvidence, readEvidence } from '../src/audit/audit.ts';
import { parseRoots, searchCode } from '../src/audit/code/search.ts';
import { readDecisions } from '../src/audit/decisions.ts';
import { formatAudit, formatAuditMarkdown } from '../src/audit/report.ts';
import { outOfStep } from '../src/audit/step.ts';
import { projectFolder } from '../src/knex/connection.ts';
import { reading, run, withMarkdown } from './command.ts';

interface Options {
  schema?: string[];
  decisions?: string;
  code?: string;
  strict?: true;
}

export default function define(command: Command): void {
  withMarkdown(command)
    .option('--schema <name...>', 'only the tables of these schemas (default: all but those of the system)')
    .option(
      '--decisions <file>',
      'what was decided by people (default: decisions.json in the project folder)',
    )
    .option('--code <paths>', 'folders and files of code, separated by commas (default: CODE_ROOTS)')
    .option('--strict', 'exit code 3 where schema and code are not in step')
    .action(({ schema, decisions, code, strict }: Options) =>
      run(
        command,
        async () => {
          const file = decisions ?? join(projectFolder(), 'decisions.json');
          const decided = await readDecisions(file, decisions !== undefined);
          const evidence = await reading(readEvidence);
          const roots = parseRoots(code ?? process.env.CODE_ROOTS ?? '');
          const search =
            roots.length === 0 ? null : await searchCode(roots, evidence.tables, evidence.relations);
          const audit = auditEvidence(evidence, decided, search, schema);
          return { ...audit, failure: strict ? outOfStep(audit) : undefined };
        },
        (audit) => (command.opts().format === 'markdown' ? formatAuditMarkdown(audit) : formatAudit(audit)),
      ),
    );
}
