import type { Command } from 'commander';
import { projectFolder } from '../src/knex/connection.ts';
import { loadLayout } from '../src/report/layout-graph.ts';
import { formatReportMarkdown } from '../src/report/markdown.ts';
import { formatReportHtml } from '../src/report/pages.ts';
import { readReport } from '../src/report/read-report.ts';
import { writeNewFile } from '../src/script/write-new-file.ts';
import { printable } from '../src/text/printable.ts';
import { codeRoots, migrationsFolder, run, toCount, withFormats, withTarget } from './command.ts';

interface Options {
  out?: string;
  force?: boolean;
  code?: string;
  decisions?: string;
  expect?: number;
}

export default function define(command: Command): void {
  withFormats(command, 'html', 'markdown', 'json')
    .option('--out <file>', 'write a file instead of printing')
    .option('--force', 'overwrite the file')
    .option('--code <paths>', 'folders and files of code, separated by commas (default: CODE_ROOTS)')
    .option(
      '--decisions <file>',
      'what was decided by people (default: decisions.json in the project folder)',
    )
    .option('--expect <count>', 'how many tables there should be in the schema public', toCount)
    .addHelpText(
      'after',
      '\nIt ends with exit code 0 whatever it has found: audit, preflight and verify judge.',
    )
    .action(({ out, force = false, code, decisions, expect }: Options) => {
      const root = projectFolder();
      return run(
        command,
        () =>
          withTarget((knex) =>
            readReport(knex, { root, folder: migrationsFolder(), code: codeRoots(code), decisions, expect }),
          ),
        {
          html: async (report) => formatReportHtml(report, await loadLayout()),
          markdown: formatReportMarkdown,
        },
        out === undefined
          ? undefined
          : async (text) => {
              await writeNewFile(out, text, force, 'It may be something else than an older report.');
              process.stdout.write(`${printable(out)}\n`);
            },
      );
    });
}
