import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rolePrefix } from '../support/role-prefix.ts';
import type { Trial } from './trial.ts';

/**
 * Removes statements from a schema, first half of them, then fewer and fewer, as long as the trial still fails.
 *
 * @param until when to stop, in milliseconds since 1970
 */
export async function shrink(
  trial: Trial,
  breaks: (smaller: Trial) => Promise<boolean>,
  until: number,
): Promise<Trial> {
  let smallest = trial;
  for (let size = Math.ceil(trial.statements.length / 2); size >= 1; ) {
    let shrunk = false;
    for (let start = smallest.statements.length - size; start > -size; start -= size) {
      if (Date.now() > until) return smallest;
      const from = Math.max(start, 0);
      const statements = smallest.statements.filter((_, index) => index < from || index >= start + size);
      const smaller = { ...smallest, statements };
      if (statements.length < smallest.statements.length && (await breaks(smaller))) {
        smallest = smaller;
        shrunk = true;
      }
    }
    if (size === 1 && !shrunk) return smallest;
    size = size === 1 ? 1 : Math.ceil(size / 2);
  }
  return smallest;
}

/** Writes the trial as a case, which fails until the cause is fixed. */
export function writeCase(name: string, { statements, tables, options }: Trial, roles: string): string {
  const folder = join(import.meta.dirname, '../cases', name);
  mkdirSync(folder, { recursive: true });
  const schema = [...roles.split('; '), ...statements]
    .map((statement) => `${statement};\n`)
    .join('')
    .replaceAll(rolePrefix, 'case');
  writeFileSync(join(folder, 'schema.sql'), schema);
  writeFileSync(join(folder, 'case.json'), `${JSON.stringify({ tables, options }, undefined, 2)}\n`);
  return folder;
}
