import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { makeProject } from '../test/support/project.ts';
import { openTuring } from './database.ts';
import { head, host, measure, row } from './measure.ts';

/*
 * `knex migrate:latest` without pending migrations, started by node: the compiled build as it is deployed, all of whose
 * migrations have run, compared with the same Knex with a plain knexfile and an empty folder of migrations.
 */

const bench = await openTuring();
const project = makeProject();
const folder = mkdtempSync(join(tmpdir(), 'undrop-bench-'));
const modules = fileURLToPath(new URL('../node_modules', import.meta.url));
const cli = join(modules, 'knex/bin/cli.js');
const { NODE_OPTIONS: _, ...rest } = process.env;
const latest = (knexfile: string, env: NodeJS.ProcessEnv = {}) =>
  promisify(execFile)(process.execPath, [cli, 'migrate:latest', '--knexfile', knexfile], {
    cwd: folder,
    env: { ...rest, DATABASE_URL: bench.url, ...env },
  });

try {
  mkdirSync(join(folder, 'migrations'));
  symlinkSync(modules, join(folder, 'node_modules'));
  const plain = join(folder, 'knexfile.cjs');
  writeFileSync(plain, `module.exports = { client: 'pg', connection: process.env.DATABASE_URL }`);
  const ours = join(project.folder, 'knexfile.js');
  await latest(ours, {
    UNDROP_BACKUP: 'off',
    APPROVED_DROPS: 'interaction_lineage,workflow_dependencies,organizations',
  });
  const times = await measure(
    { name: 'ours', run: () => latest(ours) },
    { name: 'plain Knex', run: () => latest(plain) },
    15,
  );
  console.log(`${host()}, PostgreSQL ${bench.server.version}, fsync off\n\n${head}`);
  console.log(row('migrate:latest with nothing to do', 'Knex with an empty folder', times, 1.15));
} finally {
  await bench.end();
  project.remove();
  rmSync(folder, { recursive: true });
}
