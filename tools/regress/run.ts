import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings } from '../../src/knex/settings.ts';
import { describeCounts, roundtrip } from '../../src/roundtrip/roundtrip.ts';
import { quietly } from '../../src/text/log.ts';
import { startServer, type TestServer } from '../../test/support/server.ts';
import { fetchSource } from './source.ts';

// npm run test:regress [-- <suites>] loads the schemas of PostgreSQL's own tests, and drops and restores each of their
// tables on PostgreSQL 15. counts.json has the counts of each suite, which may only improve: fewer tables are refused, and
// none is different or failed. Better counts are written into it. UNDROP_REGRESS_SAMPLE limits the tables of each suite;
// such a run is not compared. If the sources cannot be had, it says so and ends with 0.

interface Counts {
  readonly tables: number;
  readonly exact: number;
  /** The number of refused tables by code. */
  readonly refused: Readonly<Record<string, number>>;
}

interface Suite {
  readonly name: string;
  readonly files: readonly string[];
}

const countsFile = join(import.meta.dirname, 'counts.json');
const sample = Number(process.env.UNDROP_REGRESS_SAMPLE ?? 0);
const work = mkdtempSync(join(tmpdir(), 'undrop-regress-'));
chmodSync(work, 0o755);

async function main(): Promise<number> {
  const { source, notes } = fetchSource(work);
  for (const note of notes) process.stdout.write(`${note}\n`);
  if (spawnSync('psql', ['--version']).status !== 0) return skip('there is no psql');
  if (source === undefined) return skip('there are no sources');
  const server = await startServer();
  if (server.major !== 15)
    throw new Error(`The counts are those of PostgreSQL 15, not of ${server.version}.`);
  process.stdout.write(`server ${server.version}, tests of ${source.split('/').at(-1)}\n`);
  const counts: Record<string, Counts> = JSON.parse(readFileSync(countsFile, 'utf8'));
  let good = true;
  try {
    const named = process.argv.slice(2);
    for (const suite of suitesOf(source)) {
      if (named.length > 0 && !named.includes(suite.name)) continue;
      const found = await take(server, source, suite);
      if (found === undefined) continue;
      const worse = sample > 0 ? [] : worseThan(counts[suite.name], found.counts);
      for (const line of worse) process.stdout.write(`  ${line}\n`);
      good &&= found.good && worse.length === 0;
      if (sample === 0 && found.good && worse.length === 0) counts[suite.name] = found.counts;
    }
  } finally {
    await server.stop();
  }
  writeFileSync(countsFile, `${JSON.stringify(counts, undefined, 2)}\n`);
  return good ? 0 : 1;
}

function skip(why: string): number {
  process.stdout.write(`PostgreSQL's own tests were not taken: ${why}.\n`);
  return 0;
}

/** The core's tests in the order of its schedule, and those of each extension and module. */
function suitesOf(source: string): Suite[] {
  const core = join(source, 'src/test/regress');
  const order = [...readFileSync(join(core, 'parallel_schedule'), 'utf8').matchAll(/^test: (.*)$/gm)]
    .flatMap(([, names = '']) => names.split(' '))
    // One needs a folder of the server; the other exhausts its stack.
    .filter((name) => name !== 'tablespace' && name !== 'infinite_recurse');
  const others = ['contrib', 'src/test/modules'].flatMap((group) =>
    readdirSync(join(source, group))
      // Its event triggers call functions of a library that packages do not have, so that every DDL statement fails.
      .filter((name) => name !== 'test_ddl_deparse' && existsSync(join(source, group, name, 'sql')))
      .map((name) => ({
        name: `${group.split('/').at(-1)}/${name}`,
        files: filesIn(join(source, group, name, 'sql')),
      })),
  );
  return [{ name: 'regress', files: order.map((name) => join(core, 'sql', `${name}.sql`)) }, ...others];
}

function filesIn(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.sql'))
    .sort()
    .map((name) => join(folder, name));
}

/** Loads a suite into a new database, and drops and restores each of its tables. */
async function take(
  server: TestServer,
  source: string,
  { name, files }: Suite,
): Promise<{ counts: Counts; good: boolean } | undefined> {
  const database = await server.createDatabase();
  try {
    for (const file of files) load(server, database.name, source, file);
    const [left] = await server.sql<{ n: number }>(database.name, countSql);
    if (left?.n === 0) return undefined;
    const settings = readSettings({ DATABASE_URL: database.url });
    const { results } = await quietly(() => roundtrip(settings, sample > 0 ? { sample } : {}));
    process.stdout.write(`${name}: tables ${results.length} ${describeCounts(results)}\n`);
    const refused: Record<string, number> = {};
    for (const { table, outcome, code, reason } of results) {
      const line = `${code}: ${reason?.split('\n')[0]}`;
      if (outcome !== 'exact') process.stdout.write(`  ${outcome} ${table}: ${line}\n`);
      if (outcome === 'refused') refused[code ?? ''] = (refused[code ?? ''] ?? 0) + 1;
    }
    const count = (wanted: string) => results.filter(({ outcome }) => outcome === wanted).length;
    return {
      counts: { tables: results.length, exact: count('exact'), refused },
      good: count('different') + count('failed') === 0,
    };
  } finally {
    await server.dropDatabase(database.name);
  }
}

const countSql = /* sql */ `
  select count(*)::int as n from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and c.relpersistence <> 't' and n.nspname not in ('pg_catalog', 'information_schema')`;

/** Runs a file with psql. Errors are expected: many tests make them, and the libraries of some are missing. */
function load(server: TestServer, database: string, source: string, file: string): void {
  const { host, port, user } = server.config(database);
  const connection = { PGHOST: host, PGPORT: String(port), PGUSER: user, PGDATABASE: database };
  const places = { PG_ABS_SRCDIR: join(source, 'src/test/regress'), PG_LIBDIR: work, PG_DLSUFFIX: '.so' };
  const options = '-c timezone=PST8PDT -c datestyle=postgres,mdy -c intervalstyle=postgres_verbose';
  spawnSync('psql', ['--no-psqlrc', '--quiet', '--file', file], {
    cwd: join(file, '../..'),
    env: { ...process.env, ...connection, ...places, PGOPTIONS: options },
    stdio: 'ignore',
    timeout: 600_000,
  });
}

/** Returns in what the counts are worse than the recorded ones. */
function worseThan(recorded: Counts | undefined, { exact, refused }: Counts): string[] {
  if (recorded === undefined) return [];
  const lines = exact < recorded.exact ? [`exact ${exact}, was ${recorded.exact}`] : [];
  const more = Object.entries(refused).filter(([code, count]) => count > (recorded.refused[code] ?? 0));
  return [
    ...lines,
    ...more.map(([code, count]) => `refused ${code} ${count}, was ${recorded.refused[code] ?? 0}`),
  ];
}

try {
  process.exitCode = await main();
} finally {
  rmSync(work, { recursive: true, force: true });
}
