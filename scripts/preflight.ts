import type { Command } from 'commander';
import { preflight } from '../src/preflight.ts';
import { formatPreflight, formatPreflightMarkdown } from '../src/preflight-report.ts';
import { migrationsFolder, reading, run, withMarkdown } from './command.ts';

export default function define(command: Command): void {
  withMarkdown(command)
    .option('--ddl', 'print the statements that would be kept, too')
    .action(async ({ ddl = false }: { ddl?: boolean }) => {
      await run(
        command,
        () => reading((session) => preflight(session, migrationsFolder())),
        (found) =>
          command.opts().format === 'markdown' ? formatPreflightMarkdown(found) : formatPreflight(found, ddl),
      );
      // Whatever it is that up would refuse with, this is a refusal and no failure of its own.
      if (process.exitCode === 1) process.exitCode = 3;
    });
}
