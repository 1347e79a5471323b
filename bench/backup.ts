import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import createKnex from 'knex';
import { readManifest } from '../src/backup/manifest.ts';
import { pgDumpFor } from '../src/backup/programs/find-pg-dump.ts';
import { childEnvironment } from '../src/backup/programs/pg-dump.ts';
import { prove } from '../src/backup/proof/prove.ts';
import { type BackupOptions, backup } from '../src/backup/take/take-backup.ts';
import { readSettings } from '../src/knex/settings.ts';
import { quietly } from '../src/text/log.ts';
import { startServer } from '../test/support/server.ts';
import { head, host, measure, row } from './measure.ts';

/*
 * `backup` without a proof, compared with pg_dump of the same database and format; and the proof of contents, compared with
 * pg_restore of the same file to /dev/null. Arguments: megabytes of the database (default 1000), runs (default 5).
 */

const [megabytes = 1000, runs = 5] = process.argv.slice(2).map(Number);

/** Two large tables with rows of about 270 bytes: numbers, times, and text that compresses like logs. */
const fillSql = /* sql */ `
  create table events as
    select i as id, i % 1000 as kind, now() - i * interval '1 s' as at,
      'request ' || i || ' of ' || md5(i::text) || repeat(' took ' || (i % 977) || ' ms,', 10) as text
    from generate_series(1, ${megabytes * 1900}) as i;
  create table more as select * from events;
  create table few as select i from generate_series(1, 1000) as i`;

const formats: (Pick<BackupOptions, 'format' | 'jobs'> & { name: string })[] = [
  { name: 'custom', format: 'custom' },
  { name: 'plain', format: 'plain' },
  { name: 'directory', format: 'directory', jobs: 1 },
  { name: 'directory, 2 jobs', format: 'directory', jobs: 2 },
];

const server = await startServer();
const folder = mkdtempSync(join(tmpdir(), 'undrop-bench-'));
const { url, name: database } = await server.createDatabase();
const settings = readSettings({ DATABASE_URL: url });
const target = { settings, embedded: undefined };
const pgDump = await pgDumpFor(server.major);
const knex = createKnex({ client: 'pg', connection: url });
const program = (path: string, ...args: string[]) =>
  promisify(execFile)(path, args, { env: childEnvironment(process.env, settings) });
const clear = async (path: string) => rmSync(path, { recursive: true, force: true });

try {
  for (const statement of fillSql.split(';')) await knex.raw(statement);
  await knex.raw('vacuum analyze');
  const [size] = await server.sql<{ mb: number }>(
    database,
    'select pg_database_size(current_database()) / 1000000 as mb',
  );
  console.log(
    `${host()}, PostgreSQL ${server.version}, ${size?.mb} MB, pg_dump ${pgDump.version}\n\n${head}`,
  );
  for (const { name, ...options } of formats) {
    const to = join(folder, 'ours');
    const theirs = join(folder, 'theirs');
    const take = (where: string) =>
      quietly(() => backup(knex, target, { ...options, folder: where, prove: 'off' }));
    const jobs = options.jobs === undefined ? [] : [`--jobs=${options.jobs}`];
    const args = [`--format=${options.format}`, ...jobs, `--file=${theirs}`];
    const taken = await measure(
      { name: 'backup', run: () => take(to), after: () => clear(to) },
      { name: 'pg_dump', run: () => program(pgDump.path, ...args), after: () => clear(theirs) },
      runs,
    );
    console.log(
      row(`backup, ${name}, without a proof`, `pg_dump ${args.slice(0, -1).join(' ')}`, taken, 1.05),
    );

    // pg_restore does not read plain files. The directory is measured with two jobs only.
    if (options.format === 'plain' || options.jobs === 1) continue;
    mkdirSync(to);
    const { file } = await take(to);
    const { manifest } = await readManifest(file);
    const proved = await measure(
      { name: 'proof', run: () => prove(target, file, manifest, [], {}, pgDump) },
      {
        name: 'pg_restore',
        run: () => program(join(dirname(pgDump.path), 'pg_restore'), '--file=/dev/null', file),
      },
      runs,
    );
    await clear(to);
    console.log(row(`proof of contents, ${name}`, 'pg_restore --file=/dev/null', proved, 1.1));
  }
  console.log(`\n${host()} at the end`);
} finally {
  await knex.destroy();
  await clear(folder);
  await server.stop();
}
