import type { Command } from 'commander';
import { parseRoots } from '../src/audit/code/search.ts';
import { formatVerificationHtml } from '../src/report/pages.ts';
import { verifyDatabase } from '../src/verify-database.ts';
import { formatVerification, formatVerificationMarkdown } from '../src/verify-report.ts';
import { reading, run, toCount, withFormats } from './command.ts';

interface Options {
  expect?: number;
  strict?: true;
  code?: string;
}

export default function define(command: Command): void {
  withFormats(command, 'text', 'json', 'markdown', 'html')
    .option('--expect <count>', 'how many tables there should be in the schema public', toCount)
    .option('--code <paths>', 'folders and files of code, separated by commas (default: CODE_ROOTS)')
    .option('--strict', 'fail on objects that are new since the record, and on any word of code, too')
    .action(({ expect, strict, code }: Options) =>
      run(
        command,
        () =>
          reading((session) =>
            verifyDatabase(session, {
              expect,
              strict,
              code: parseRoots(code ?? process.env.CODE_ROOTS ?? ''),
            }),
          ),
        { text: formatVerification, markdown: formatVerificationMarkdown, html: formatVerificationHtml },
      ),
    );
}
