import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { names } from '../seeds/turing/names.ts';
import { searchCode } from '../src/audit/code/search.ts';
import { head, host, measure, row } from './measure.ts';

/*
 * The search for 74 names in 50,000 files, compared with `grep -rFw -f` for the same names. One file in ten contains SQL,
 * one in twenty the name of a table.
 */

const files = 50_000;
const tables = names.slice(0, 74);
const folder = mkdtempSync(join(tmpdir(), 'undrop-bench-'));
const tree = join(folder, 'tree');
const list = join(folder, 'names');

function makeTree(): void {
  for (let index = 0; index < files; index++) {
    const part = join(tree, `part_${index % 200}`);
    if (index < 200) mkdirSync(part, { recursive: true });
    const lines = Array.from(
      { length: 20 + (index % 30) },
      (_, line) => `    value_${line} = compute(item_${index}, {"key": ${line * index}})  # step ${line}`,
    );
    const table = tables[index % tables.length];
    if (index % 10 === 0) lines.push(`    run("select a, b from rows_${index % 7} where id = %s", (x,))`);
    if (index % 20 === 1) lines.push(`    run("""select a from ${table} where b = %s""", (y,))`);
    writeFileSync(join(part, `f_${index}.py`), `${lines.join('\n')}\n`);
  }
  writeFileSync(list, `${tables.join('\n')}\n`);
}

try {
  makeTree();
  const wanted = tables.map((name, oid) => ({ oid, schema: 'public', name }));
  const grep = () => promisify(execFile)('grep', ['-rFw', '-f', list, tree], { maxBuffer: 2 ** 28 });
  const ours = { name: 'audit --code', run: () => searchCode([tree], wanted, tables) };
  const measured = await measure(ours, { name: 'grep', run: grep }, 5);
  process.stdout.write(`${host()}\n\n${head}\n`);
  process.stdout.write(`${row(`${tables.length} names in ${files} files`, 'grep -rFw -f', measured, 2)}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
