import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import createKnex, { type Knex } from 'knex';
import { type BackupOptions, backup } from '../src/backup/backup.ts';
import { type PgDump, pgDumpFor } from '../src/backup/find-pg-dump.ts';
import { readManifest } from '../src/backup/manifest.ts';
import { measure } from '../src/backup/measure.ts';
import { childEnvironment } from '../src/backup/pg-dump.ts';
import { prove } from '../src/backup/prove.ts';
import { readSettings, type Settings } from '../src/knex/settings.ts';
import { quietly } from '../src/say.ts';
import { startServer } from '../test/support/server.ts';

// `backup` beside plain pg_dump of the same database and format, and the proof beside pg_restore of the same file, in
// turns. Run it as: npx tsx bench/backup.ts [runs] [megabytes]. UNDROP_TEST_URL names a server to use instead of its own.

const [runs = 5, megabytes = 1000] = process.argv.slice(2).map(Number);
const formats = [
  { name: 'custom', options: { format: 'custom' }, args: ['--format=custom'] },
  { name: 'plain', options: { format: 'plain' }, args: ['--format=plain'] },
  {
    name: 'directory, 2 jobs',
    options: { format: 'directory', jobs: 2 },
    args: ['--format=directory', '--jobs=2'],
  },
] as const satisfies readonly { name: string; options: Partial<BackupOptions>; args: readonly string[] }[];

/** Two tables of a half each: rows of 300 bytes or so, with numbers, times and text that packs as logs do. */
const fillSql = (rows: number) => /* sql */ `
  create table events as
    select i as id, i % 1000 as kind, now() - i * interval '1 s' as at,
      'request ' || i || ' of ' || md5(i::text) || repeat(' took ' || (i % 977) || ' ms,', 10) as text
    from generate_series(1, ${rows}) as i;
  create table more as select * from events;
  alter table events add primary key (id);
  create table small as select i from generate_series(1, 1000) as i;
  vacuum analyze`;

const server = await startServer();
const folder = mkdtempSync(join(tmpdir(), 'undrop-bench-'));
try {
  const database = await server.createDatabase('bench');
  await fill(database.url);
  const settings = readSettings({ DATABASE_URL: database.url });
  const pgDump = await pgDumpFor(server.major);
  const knex = createKnex({ client: 'pg', connection: database.url });
  const loads = [loadavg()[0] ?? 0];
  try {
    const rows: string[] = [];
    for (const format of formats) {
      rows.push(await measureFormat(knex, settings, pgDump, format));
      loads.push(loadavg()[0] ?? 0);
    }
    const table = await describeRun(database.name, pgDump, rows, loads);
    process.stdout.write(table);
    keep(table);
  } finally {
    await knex.destroy();
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
  await server.stop();
}

async function fill(url: string): Promise<void> {
  const knex = createKnex({ client: 'pg', connection: url });
  // 1800 rows of either table are a megabyte.
  for (const statement of fillSql(megabytes * 1800).split(';')) await knex.raw(statement);
  await knex.destroy();
}

async function measureFormat(
  knex: Knex,
  settings: Settings,
  pgDump: PgDump,
  { name, options, args }: (typeof formats)[number],
): Promise<string> {
  const times = {
    ours: [] as number[],
    theirs: [] as number[],
    proof: [] as number[],
    restore: [] as number[],
  };
  let bytes = 0;
  // The first turn warms the caches and does not count.
  for (let turn = 0; turn <= runs; turn++) {
    const to = join(folder, 'backups');
    const file = join(folder, 'pg_dump');
    const measures = {
      ours: () =>
        quietly(() =>
          backup(knex, { settings, embedded: undefined }, { ...options, folder: to, prove: 'off' }),
        ),
      theirs: async () => run(pgDump.path, ['--no-password', ...args, `--file=${file}`], settings),
    };
    const order = turn % 2 === 0 ? (['ours', 'theirs'] as const) : (['theirs', 'ours'] as const);
    let taken = '';
    for (const which of order) {
      const [seconds, result] = await timed<unknown>(measures[which]);
      if (turn > 0) times[which].push(seconds);
      if (which === 'ours') taken = (result as { file: string }).file;
    }
    bytes = (await measure(taken)).bytes;
    const { manifest } = await readManifest(taken);
    const proofs = {
      proof: () => prove({ settings, embedded: undefined }, taken, manifest, { prove: 'contents' }, pgDump),
      restore: async () => reread(taken, pgDump, settings),
    };
    for (const which of turn % 2 === 0 ? (['proof', 'restore'] as const) : (['restore', 'proof'] as const)) {
      const [seconds] = await timed<unknown>(proofs[which]);
      if (turn > 0) times[which].push(seconds);
    }
    for (const path of [to, file]) rmSync(path, { recursive: true, force: true });
  }
  const cell = (one: number[], other: number[]) =>
    `${median(one).toFixed(1)} | ${median(other).toFixed(1)} | ${(median(one) / median(other)).toFixed(2)}`;
  process.stderr.write(`${name}: ${JSON.stringify(times)}\n`);
  return `| ${name} | ${Math.round(bytes / 1e6)} | ${cell(times.ours, times.theirs)} | ${cell(times.proof, times.restore)} |`;
}

/** pg_restore to nowhere; a plain file it cannot read, so that reading it is all there is to compare with. */
function reread(file: string, pgDump: PgDump, settings: Settings): void {
  if (statSync(file).isFile() && file.endsWith('.sql')) run('cat', [file], settings);
  else run(join(dirname(pgDump.path), 'pg_restore'), ['--file=/dev/null', file], settings);
}

function run(program: string, args: readonly string[], settings: Settings): void {
  const env = childEnvironment(process.env, settings);
  const { status, error, stderr } = spawnSync(program, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
  if (status !== 0) throw error ?? new Error(String(stderr));
}

async function timed<T>(work: () => Promise<T>): Promise<[seconds: number, result: T]> {
  const start = performance.now();
  const result = await work();
  return [(performance.now() - start) / 1000, result];
}

function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? 0)
    : ((sorted[middle - 1] ?? 0) + (sorted[middle] ?? 0)) / 2;
}

async function describeRun(
  database: string,
  pgDump: PgDump,
  rows: readonly string[],
  loads: readonly number[],
) {
  const [size] = await server.sql<{ size: string }>(
    database,
    'select pg_size_pretty(pg_database_size(current_database())) as size',
  );
  return [
    '## backup',
    '',
    `\`npx tsx bench/backup.ts ${runs} ${megabytes}\`: a database of ${size?.size}, PostgreSQL ${server.version}, ` +
      `pg_dump ${pgDump.version}, Node ${process.version}, ${cpus().length} processors, ` +
      `load ${loads.map((load) => load.toFixed(1)).join(', ')}. Medians of ${runs} runs in turns, in seconds.`,
    '',
    '| format | MB | backup, proof off | pg_dump | ratio | proof of contents | pg_restore -f /dev/null | ratio |',
    '|---|---|---|---|---|---|---|---|',
    ...rows,
    '',
    'Beside plain there is no pg_restore: it is `cat` to nowhere.',
    '',
  ].join('\n');
}

/** In place of what an earlier run has written. */
function keep(table: string): void {
  const path = join(import.meta.dirname, 'RESULTS.md');
  const before = existsSync(path) ? readFileSync(path, 'utf8') : '# Results\n';
  const sections = before.split(/^(?=## )/m).filter((section) => !section.startsWith('## backup\n'));
  writeFileSync(path, `${sections.join('').trimEnd()}\n\n${table}`);
}
