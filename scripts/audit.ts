import type { Command } from 'commander';
import { readEvidence } from '../src/audit/audit.ts';
import { judgeEvidence } from '../src/audit/judge-evidence.ts';
import { formatAudit, formatAuditMarkdown } from '../src/audit/report.ts';
import { outOfStep } from '../src/audit/step.ts';
import { projectFolder } from '../src/knex/connection.ts';
import { formatAuditHtml } from '../src/report/pages.ts';
import { codeRoots, reading, run, withFormats } from './command.ts';

interface Options {
  schema?: string[];
  decisions?: string;
  code?: string;
  strict?: true;
}

export default function define(command: Command): void {
  withFormats(command, 'text', 'json', 'markdown', 'html')
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
          const evidence = await reading(readEvidence);
          const audit = await judgeEvidence(evidence, {
            root: projectFolder(),
            decisions,
            code: codeRoots(code),
            schemas: schema,
          });
          return { ...audit, failure: strict ? outOfStep(audit) : undefined };
        },
        { text: formatAudit, markdown: formatAuditMarkdown, html: formatAuditHtml },
      ),
    );
}
