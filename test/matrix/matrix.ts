import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { majors, nativeOf, systemNative } from '../support/binaries.ts';
import { inMemory } from '../support/in-memory.ts';
import type { Outcome, Server } from './child.ts';
import { describeTable, type ServerRun } from './table.ts';

// npm run test:matrix [-- <servers>] runs the tests that depend on the server on every supported server:
// 14 15 16 17 18 of npm, `system` if one is installed, and `embedded`; or on the named ones; or on the one that
// UNDROP_TEST_URL names. UNDROP_MATRIX=short is for a run after `npm test` on `system`: that one runs only what `npm test`
// leaves out, and takes the place of npm's server of the same major; without one, 15 does. The oldest major runs most
// files, the newest all of them. Between them, and on the embedded server, which is the slowest, one case of each family
// is tested. Tables are moved in one or two cases of each.

const short = process.env.UNDROP_MATRIX === 'short';
const leftOut = [
  'cases.test.ts',
  'oracle.test.ts',
  'judge.test.ts',
  'across-majors.test.ts',
  'random.test.ts',
];
const tests = [
  ...leftOut,
  'up-down.test.ts',
  'rows.test.ts',
  'moves.test.ts',
  'long-moves.test.ts',
  'row-digests.test.ts',
  'settings.test.ts',
  'grants.test.ts',
  'restore-archive.test.ts',
  'earlier-versions.test.ts',
  'catalog-columns.test.ts',
  'operators.test.ts',
  'long-expressions.test.ts',
];

const newestOnly = ['moves.test.ts', 'long-moves.test.ts', 'long-expressions.test.ts'];
const onEmbedded = ['cases.test.ts', 'up-down.test.ts'];
const sampled = ['16', '17', 'embedded'];

// Two minutes of random schemas, all servers together.
const randomSeconds = 120;

const all = [...majors.map(String), 'system', 'embedded'];
const named = process.argv.slice(2);
const unknown = named.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`Unknown server ${unknown.join(', ')}; the servers are ${all.join(', ')}.\n`);
  process.exit(2);
}
const given = process.env.UNDROP_TEST_URL ? ['UNDROP_TEST_URL'] : undefined;
const system = systemNative();
const servers = given ?? (named.length > 0 ? named : all.filter(isWanted));
if (named.length === 0 && given === undefined && !servers.includes('system'))
  process.stdout.write('No server is installed on the system, so `system` is left out.\n');

// Files that killed tests leave behind are removed with this folder.
const scratch = mkdtempSync(join(inMemory() ?? tmpdir(), 'undrop-matrix-'));
const children = new Set<ChildProcess>();
// What takes longest starts first.
const longest = short ? '18' : 'embedded';
const waiting = servers.toReversed().toSorted((a, b) => Number(b === longest) - Number(a === longest));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, async () => {
    waiting.length = 0;
    await Promise.all([...children].map(ended));
    process.exit(130);
  });
}

function ended(child: ChildProcess): Promise<unknown> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  return exit;
}

// Two at a time: one works while the other waits for its server.
const runs: ServerRun[] = [];
const work = async (): Promise<void> => {
  for (let server = waiting.shift(); server !== undefined; server = waiting.shift())
    runs.push(await runOn(server));
};
if (given === undefined) for (const server of servers) if (server !== 'embedded') nativeOf(server);
await Promise.all([work(), ...(availableParallelism() > 1 ? [work()] : [])]);
runs.sort((a, b) => servers.indexOf(a.server) - servers.indexOf(b.server));
process.stdout.write(`\n${describeTable(runs)}\n`);
process.exitCode = runs.every(({ good }) => good) ? 0 : 1;

/** Whether a run without arguments includes the server. */
function isWanted(name: string): boolean {
  if (name === 'system') return system !== undefined;
  return !short || system === undefined || name !== basename(system);
}

function filesFor(server: string): readonly string[] {
  if (!short || given !== undefined || server === '18') return tests;
  if (server === '14') return tests.filter((file) => !newestOnly.includes(file));
  return server === 'embedded' ? onEmbedded : leftOut;
}

/** Runs the tests in a separate process, which stops its server when it ends. */
async function runOn(server: string): Promise<ServerRun> {
  const outcomes: Outcome[] = [];
  let version = '';
  let said = '';
  const begun = Date.now();
  const status = await new Promise<number | null>((resolve) => {
    const { UNDROP_TEST_SERVER: _, ...rest } = process.env;
    const named = given === undefined ? { UNDROP_TEST_SERVER: server } : {};
    const random = { UNDROP_RANDOM_SECONDS: String(randomSeconds / servers.length) };
    const files = filesFor(server);
    const cases = short && sampled.includes(server) ? {} : { UNDROP_CASES: 'all' };
    const moves = short ? {} : { UNDROP_MOVES: 'all' };
    const child = fork(join(import.meta.dirname, 'child.ts'), files, {
      env: { ...random, ...rest, ...named, ...cases, ...moves, TMPDIR: scratch },
      stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
    });
    children.add(child);
    // The log of migrations is printed only if the process itself failed.
    child.stderr?.on('data', (text: Buffer) => {
      said = `${said}${text}`.slice(-10_000);
    });
    child.on('message', (message: Server | Outcome) => {
      if ('version' in message) {
        ({ version } = message);
        process.stdout.write(`\n== ${server}: server ${version}\n`);
        return;
      }
      outcomes.push(message);
      if (message.state === 'failed')
        process.stdout.write(`\n✖ ${server}: ${message.title.join(' › ')}\n${message.why}\n`);
    });
    child.on('exit', (code) => {
      children.delete(child);
      resolve(code);
    });
  });
  const failed = outcomes.some(({ state }) => state === 'failed');
  if (status !== 0 && !failed)
    process.stdout.write(`The tests on ${server} ended with ${status}:\n${said}\n`);
  const good = status === 0 && outcomes.some(({ state }) => state === 'passed');
  const run = { server, version, outcomes, good, seconds: Math.round((Date.now() - begun) / 1000) };
  process.stdout.write(`${describeTable([run])}\n`);
  return run;
}
