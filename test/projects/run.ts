import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import createKnex from 'knex';
import { readSettings } from '../../src/knex/settings.ts';
import { roundtrip } from '../../src/roundtrip/roundtrip.ts';
import type { Result } from '../../src/roundtrip/try-table.ts';
import { quietly } from '../../src/text/log.ts';
import { inFolder, install } from '../support/packed.ts';
import '../support/path.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { imported, type Project, projects } from './projects.ts';

// npm run test:projects [-- <part of a name>] fetches npm packages that contain Knex migrations, replays them from the
// first to the last, and drops and restores every table. The servers are those of the tests (UNDROP_TEST_SERVER).

interface Ran {
  readonly project: Project;
  readonly migrations: number;
  readonly results: readonly Result[];
  /** What is wrong, a line each. */
  readonly problems: readonly string[];
}

// The tables of Knex itself are not counted.
const ledger = 'knex_migrations';
const chosen = projects.filter(({ name }) => name.includes(process.argv[2] ?? ''));
const folder = mkdtempSync(join(tmpdir(), 'undrop-projects-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(130));

await install(folder, ['--ignore-scripts', ...imported]);
const server = await startServer();
process.stdout.write(`server ${server.version}\n`);
const all: Ran[] = [];
try {
  for (const project of chosen) {
    const ran = await tryProject(server, project);
    all.push(ran);
    process.stdout.write(`${describe(ran)}\n`);
  }
} finally {
  await server.stop();
}
const results = all.flatMap((ran) => ran.results);
const migrations = all.reduce((sum, ran) => sum + ran.migrations, 0);
process.stdout.write(`${all.length} packages, ${migrations} migrations, ${describeResults(results)}\n`);
if (results.length === 0 || all.some(({ problems }) => problems.length > 0)) process.exitCode = 1;

async function tryProject(on: TestServer, project: Project): Promise<Ran> {
  const root = await fetchPackage(project);
  const database = await on.createDatabase();
  try {
    const count = await migrate(database.url, project, root);
    const settings = readSettings({ DATABASE_URL: database.url });
    const { results: found, withoutDump } = await quietly(() => roundtrip(settings));
    const of = found.filter(({ table }) => !table.startsWith(`public.${ledger}`));
    const problems = withoutDump === null ? [] : [`not compared with pg_dump: ${withoutDump}`];
    return { project, migrations: count, results: of, problems: [...problems, ...findProblems(project, of)] };
  } finally {
    await on.dropDatabase(database.name);
  }
}

async function fetchPackage({ name, version }: Project): Promise<string> {
  const root = join(folder, name.replaceAll('/', '-'));
  mkdirSync(root);
  const { stdout } = await inFolder(folder, `npm pack --ignore-scripts --silent ${name}@${version}`);
  await inFolder(folder, `tar -xzf ${stdout.trim()} -C ${root} --strip-components=1`);
  return root;
}

async function migrate(url: string, { folders = ['migrations'] }: Project, root: string): Promise<number> {
  const knex = createKnex({ client: 'pg', connection: url, pool: { min: 0, max: 1 } });
  try {
    let count = 0;
    for (const [index, one] of folders.entries()) {
      const tableName = `${ledger}_${index}`;
      const [, names] = await knex.migrate.latest({ directory: join(root, one), tableName });
      count += names.length;
    }
    return count;
  } finally {
    await knex.destroy();
  }
}

/** Refusals must be exactly those that are listed, so that none is added unnoticed and none is listed in vain. */
function findProblems({ refused = {} }: Project, results: readonly Result[]): string[] {
  const known = new Set(Object.keys(refused));
  return results.flatMap(({ table, outcome, code, reason }) => {
    if (outcome === 'refused' && known.has(table)) return [];
    if (outcome === 'exact') return known.has(table) ? [`${table}: listed as refused, but restored`] : [];
    return [`${table}: ${outcome}, ${code}: ${reason}`];
  });
}

function describe({ project: { name, version }, migrations: count, results: of, problems }: Ran): string {
  const line = `${name} ${version}: ${count} migrations, ${describeResults(of)}`;
  return [line, ...problems.map((problem) => `  ${problem}`)].join('\n');
}

/** `12 tables, exact 11, refused 1 (not-reproducible 1)` */
function describeResults(of: readonly Result[]): string {
  const exact = of.filter(({ outcome }) => outcome === 'exact').length;
  const codes = of.filter(({ outcome }) => outcome === 'refused').map(({ code }) => code);
  const byCode = [...new Set(codes)].map((code) => `${code} ${codes.filter((one) => one === code).length}`);
  const refused = byCode.length === 0 ? '' : ` (${byCode.join(', ')})`;
  const bad = of.length - exact - codes.length;
  return `${of.length} tables, exact ${exact}, refused ${codes.length}${refused}, different or failed ${bad}`;
}
