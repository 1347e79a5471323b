import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/*
 * npm run bench [-- <names>]: runs all benchmarks, or those named, one after the other, and replaces their output in
 * RESULTS.md. The notes below the tables are not changed.
 */

const all = [
  'up',
  'locks',
  'many',
  'rows',
  'move',
  'nothing',
  'backup',
  'code',
  'audit',
  'install',
  'alternatives',
];
const named = process.argv.slice(2);
const results = join(import.meta.dirname, 'RESULTS.md');

for (const name of named.length > 0 ? named : all) {
  const args = ['--import', 'tsx', join(import.meta.dirname, `${name}.ts`)];
  const printed = execFileSync(process.execPath, args, { encoding: 'utf8' }).trim();
  process.stdout.write(`${printed}\n\n`);
  writeFileSync(results, replaceIn(readFileSync(results, 'utf8'), name, printed));
}

/** Replaces the output of a benchmark, which is between two marks, or appends a section for it. */
function replaceIn(text: string, name: string, printed: string): string {
  const [begin, end] = [`<!-- ${name}.ts -->`, `<!-- end of ${name}.ts -->`];
  const block = `${begin}\n${printed}\n${end}`;
  const from = text.indexOf(begin);
  if (from < 0) return `${text.trimEnd()}\n\n## ${name}.ts\n\n${block}\n`;
  return text.slice(0, from) + block + text.slice(text.indexOf(end) + end.length);
}
