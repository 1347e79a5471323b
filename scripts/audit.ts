import type { Command } from 'commander';
import { readEvidence } from '../src/audit/audit.ts';
import { judgeEvidence } from '../src/audit/judge-evidence.ts';
import { formatAudit, formatAuditMarkdown } from '../src/audit/report.ts';
import { outOfStep } from '../src/audit/step.ts';
import { formatAuditHtml } from '../src/report/pages.ts';
import { projectFolder } from '../src/text/project-folder.ts';
import { codeRoots, reading, run, withFormats } from './command.ts';

interface Options {
  schema?: string[];
  decisions?: string;
  code?: string;
  strict?: true;
}

export default function define(command: Command): void {
  withFormats(command, 'text', 'json', 'markdown', 'html')
    .option('--schema <name...>', 'only tables of these schemas (default: all except system schemas)')
    .option(
      '--decisions <file>',
      'file of decisions on tables (default: decisions.json in the project folder)',
    )
    .option(
      '--code <paths>',
      'folders and files of your application to search, comma-separated (default: CODE_ROOTS)',
    )
    .option('--strict', 'end with exit code 3 if the schema and the code do not match')
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
