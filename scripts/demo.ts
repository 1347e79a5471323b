import type { Command } from 'commander';
import { demo, demoFailure, type Shown } from '../src/demo.ts';
import { say } from '../src/text/log.ts';
import { run } from './command.ts';

export default function define(command: Command): void {
  command.action(() =>
    run(
      command,
      async () => {
        const start = performance.now();
        const shown = await demo(say);
        const seconds = (performance.now() - start) / 1000;
        return { database: 'embedded', shown, seconds, failure: demoFailure(shown) };
      },
      print,
    ),
  );
}

function print({ shown, seconds }: { shown: readonly Shown[]; seconds: number }): string {
  const width = Math.max(...shown.map(({ what }) => what.length));
  const lines = shown.map(
    ({ what, found, held }) => `${held ? 'ok    ' : 'FAILED'}  ${what.padEnd(width)}  ${found}\n`,
  );
  return `\nChecks, in ${seconds.toFixed(0)} s:\n\n${lines.join('')}`;
}
