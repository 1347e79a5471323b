import type { Command } from 'commander';
import { demo, demoFailure, type Shown } from '../src/demo.ts';
import { say } from '../src/text/log.ts';
import { wrap } from '../src/text/terminal.ts';
import { duration } from '../src/text/units.ts';
import { run } from './command.ts';
import { lines } from './lines.ts';

export default function define(command: Command): void {
  command.action(() =>
    run(
      command,
      async () => {
        const start = performance.now();
        const shown = await demo(tell);
        const seconds = (performance.now() - start) / 1000;
        return { database: 'embedded', shown, seconds, failure: demoFailure(shown) };
      },
      print,
    ),
  );
}

/** Breaks a line at the width of the terminal, at spaces; a file gets it whole. */
function tell(line: string): void {
  const text = line.trimStart();
  const indent = line.length - text.length;
  for (const part of wrap(' '.repeat(indent), text, indent + 4, process.stderr.columns ?? Infinity))
    say(part);
}

function print({ shown, seconds }: { shown: readonly Shown[]; seconds: number }): string {
  const rows = shown.map(({ what, found, held }) => [held ? 'ok' : 'FAILED', what, found]);
  return `\nChecks, in ${duration(Math.round(seconds))}:\n\n${lines(rows)}`;
}
