import { type Command, Option } from 'commander';
import type { KnexOptions } from '../src/migration/load-knexfile.ts';
import { loadLayout } from '../src/report/layout-graph.ts';
import { formatReportMarkdown } from '../src/report/markdown.ts';
import { formatReportHtml } from '../src/report/pages.ts';
import { formatProposal } from '../src/report/proposal.ts';
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
  proposal?: true;
}

export default function define(command: Command): void {
  withKnexOptions(withFormats(command, 'html', 'markdown', 'json'))
    .option('--out <file>', 'write to this file instead of stdout')
    .option('--force', 'overwrite an existing file')
    .option(
      '--code <paths>',
      'folders and files of your application to search, comma-separated (default: CODE_ROOTS)',
    )
    .option(
      '--decisions <file>',
      'file of decisions on tables (default: decisions.json in the project folder)',
    )
    .option('--expect <count>', 'expected number of tables in the schema public', toCount)
    .addOption(
      new Option(
        '--proposal',
        'as a proposal in Markdown, with boxes to tick that approve reads: state, evidence, impact, plan',
      ).implies({ format: 'markdown' }),
    )
    .addHelpText(
      'after',
      '\nThe exit code is 0 whatever the report contains. audit, preflight and verify set it by their result.',
    )
    .action(({ out, force = false, code, decisions, expect, proposal, ...options }: Options) => {
      if (proposal && command.opts().format !== 'markdown')
        command.error('error: --proposal is in Markdown: --format markdown');
      return run(
        command,
        () =>
          withProject(options, (knex, project, root) =>
            readReport(knex, { root, project, code: codeRoots(code), decisions, expect }),
          ),
        {
          html: async (report) => formatReportHtml(report, await loadLayout()),
          markdown: (report) =>
            proposal ? formatProposal(report, out ?? 'proposal.md') : formatReportMarkdown(report),
        },
        out === undefined
          ? undefined
          : async (text) => {
              await writeNewFile(out, text, force, 'It may not be an older report.');
              process.stdout.write(`${printable(out)}\n`);
            },
      );
    });
}
