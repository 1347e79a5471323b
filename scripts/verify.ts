import type { Command } from 'commander';
import { formatVerificationHtml } from '../src/report/pages.ts';
import { formatVerification, formatVerificationMarkdown } from '../src/verify/format.ts';
import { verifyDatabase } from '../src/verify/verify.ts';
import { codeRoots, reading, run, toCount, withFormats } from './command.ts';

interface Options {
  expect?: number;
  strict?: true;
  code?: string;
}

export default function define(command: Command): void {
  withFormats(command, 'text', 'json', 'markdown', 'html')
    .option('--expect <count>', 'the expected number of tables in the schema public', toCount)
    .option(
      '--code <paths>',
      'folders and files of your application, separated by commas (default: CODE_ROOTS)',
    )
    .option(
      '--strict',
      'fail also on objects added since the record, and on names of dropped tables anywhere in code',
    )
    .action(({ expect, strict, code }: Options) =>
      run(
        command,
        () => reading((session) => verifyDatabase(session, { expect, strict, code: codeRoots(code) })),
        { text: formatVerification, markdown: formatVerificationMarkdown, html: formatVerificationHtml },
      ),
    );
}
