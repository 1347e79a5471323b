import type { Command } from 'commander';
import { recordFacts } from '../src/baseline/record-facts.ts';
import type { KnexOptions } from '../src/migration/load-knexfile.ts';
import { formatPreflight, formatPreflightMarkdown } from '../src/preflight/format.ts';
import { preflight } from '../src/preflight/preflight.ts';
import { formatPreflightHtml } from '../src/report/pages.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { run, withFormats } from './command.ts';
import { withKnexOptions, withProject } from './project.ts';

interface Options extends KnexOptions {
  ddl?: boolean;
  record?: boolean;
}

export default function define(command: Command): void {
  withKnexOptions(withFormats(command, 'text', 'json', 'markdown', 'html'))
    .option('--ddl', 'print also the statements that would be archived')
    .option('--record', 'record the facts of all objects in the archive, for verify to compare with')
    .action(async ({ ddl = false, record = false, ...options }: Options) => {
      await run(command, () => runPreflight(record, options), {
        text: (found) => formatPreflight(found, ddl),
        markdown: formatPreflightMarkdown,
        html: formatPreflightHtml,
      });
      // The predicted error is always a refusal, whatever exit code it has for up.
      if (process.exitCode === 1) process.exitCode = 3;
    });
}

/** Records the facts first, since that creates the archive, which the gates read. */
function runPreflight(record: boolean, options: KnexOptions) {
  return withProject(options, async (knex, migrations) => {
    const recorded = record ? await recordFacts(knex, 'preflight --record') : null;
    return inReadOnlySession(knex, async (session) => ({
      database: session.database,
      ...(await preflight(session, migrations)),
      recorded,
    }));
  });
}
