import type { Command } from 'commander';
import { recordFacts } from '../src/baseline/record-facts.ts';
import { formatPreflight, formatPreflightMarkdown } from '../src/preflight/format.ts';
import { preflight } from '../src/preflight/preflight.ts';
import { formatPreflightHtml } from '../src/report/pages.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { migrationsFolder, run, withFormats, withTarget } from './command.ts';

export default function define(command: Command): void {
  withFormats(command, 'text', 'json', 'markdown', 'html')
    .option('--ddl', 'print also the statements that would be archived')
    .option('--record', 'record the facts of all objects in the archive, for verify to compare with')
    .action(async ({ ddl = false, record = false }: { ddl?: boolean; record?: boolean }) => {
      await run(command, () => runPreflight(record), {
        text: (found) => formatPreflight(found, ddl),
        markdown: formatPreflightMarkdown,
        html: formatPreflightHtml,
      });
      // The predicted error is always a refusal, whatever exit code it has for up.
      if (process.exitCode === 1) process.exitCode = 3;
    });
}

/** Records the facts first, since that creates the archive, which the gates read. */
function runPreflight(record: boolean) {
  return withTarget(async (knex) => {
    const recorded = record ? await recordFacts(knex, 'preflight --record') : null;
    return inReadOnlySession(knex, async (session) => ({
      database: session.database,
      ...(await preflight(session, migrationsFolder())),
      recorded,
    }));
  });
}
