import type { Command } from 'commander';
import type { KnexOptions } from '../src/migration/load-knexfile.ts';
import { loadLayout } from '../src/report/layout-graph.ts';
import { formatReportMarkdown } from '../src/report/markdown.ts';
import { formatReportHtml } from '../src/report/pages.ts';
import { readReport } from '../src/report/read-report.ts';
import { writeNewFile } from '../src/script/write-new-file.ts';
import { printable } from '../src/text/printable.ts';
import { codeRoots, run, toCount, withFormats } from './command.ts';
import { withKnexOptions, withProject } from './project.ts';

interface Options extends KnexOptions {
  out?: string;
  force?: boolean;
  code?: string;
  decisions?: string;
  expect?: number;
}

export default function define(command: Command): void {
  withKnexOptions(withFormats(command, 'html', 'markdown', 'json'))
    .option('--out <file>', 'write to this file instead of stdout')
    .option('--force', 'overwrite an existing file')
    .option('--code <paths>', 'folders and files of code to search, comma-separated (default: CODE_ROOTS)')
    .option(
      '--decisions <file>',
      'file of decisions on tables (default: decisions.json in the project folder)',
    )
    .option('--expect <count>', 'expected number of tables in the schema public', toCount)
    .addHelpText(
      'after',
      '\nThe exit code is 0 whatever the report contains. audit, preflight and verify set it by their result.',
    )
    .action(({ out, force = false, code, decisions, expect, ...options }: Options) =>
      run(
        command,
        () =>
          withProject(options, (knex, project, root) =>
            readReport(knex, { root, project, code: codeRoots(code), decisions, expect }),
          ),
        {
          html: async (report) => formatReportHtml(report, await loadLayout()),
          markdown: formatReportMarkdown,
        },
        out === undefined
          ? undefined
          : async (text) => {
              await writeNewFile(out, text, force, 'It may not be an older report.');
              process.stdout.write(`${printable(out)}\n`);
            },
      ),
    );
}
