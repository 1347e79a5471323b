import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inMemory } from '../../test/support/in-memory.ts';
import { type Part, parts } from './parts.ts';

// npm run test:mutants [-- <parts>] changes the code of the parts that decide, one place at a time, and runs their tests
// against each change. A change that no test notices is listed in survivors.json with the reason, or the run fails. A
// change in the list that is noticed must be removed from it, so that the list only shrinks.

const folder = import.meta.dirname;
const root = join(folder, '../..');

interface Mutant {
  readonly mutatorName: string;
  readonly replacement: string;
  readonly status: string;
  readonly location: {
    readonly start: { readonly line: number; readonly column: number };
    readonly end: { readonly line: number; readonly column: number };
  };
}

interface Report {
  readonly files: Readonly<Record<string, { readonly source: string; readonly mutants: readonly Mutant[] }>>;
}

const named = process.argv.slice(2);
const unknown = named.filter((name) => !(name in parts));
if (unknown.length > 0) {
  process.stderr.write(
    `Unknown part ${unknown.join(', ')}; the parts are ${Object.keys(parts).join(', ')}.\n`,
  );
  process.exit(2);
}

/** The reason for each survivor that is known, by its description. */
const reasons: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(join(folder, 'survivors.json'), 'utf8'),
);
let failed = false;
for (const [name, part] of Object.entries(parts)) {
  if (named.length > 0 && !named.includes(name)) continue;
  const { killed, survivors } = summarize(test(part));
  const all = killed.length + survivors.length;
  const score = all === 0 ? 0 : (100 * killed.length) / all;
  process.stdout.write(`${name}: ${killed.length} of ${all} noticed, ${score.toFixed(1)} %\n`);
  const unexplained = survivors.filter((survivor) => reasons[survivor] === undefined);
  const noticed = killed.filter((mutant) => reasons[mutant] !== undefined && !survivors.includes(mutant));
  for (const survivor of unexplained) process.stdout.write(`  not noticed: ${survivor}\n`);
  for (const mutant of noticed) process.stdout.write(`  noticed, remove it from survivors.json: ${mutant}\n`);
  failed ||= all === 0 || unexplained.length > 0 || noticed.length > 0;
}
process.exitCode = failed ? 1 : 0;

function test({ mutate, tests }: Part): Report {
  const work = mkdtempSync(join(tmpdir(), 'undrop-mutants-'));
  // Stryker kills a worker that takes too long together with its server and what would clean up after it.
  const servers = mkdtempSync(join(inMemory() ?? tmpdir(), 'undrop-mutants-'));
  chmodSync(servers, 0o755);
  try {
    const config = join(work, 'stryker.config.json');
    const report = join(work, 'report.json');
    writeFileSync(
      config,
      JSON.stringify({
        mutate,
        testRunner: 'mocha',
        mochaOptions: { spec: tests, require: ['./test/support/path.ts'] },
        testRunnerNodeArgs: ['--import', 'tsx'],
        // Stryker reads it with the API of TypeScript, which version 7 does not have.
        tsconfigFile: 'none.json',
        coverageAnalysis: 'perTest',
        concurrency: 1,
        timeoutMS: 30_000,
        timeoutFactor: 4,
        reporters: ['json', 'progress-append-only'],
        jsonReporter: { fileName: report },
        tempDirName: join(work, 'sandbox'),
        ignorePatterns: ['dist', 'docs', 'tools', '.undrop', '.undrop-servers', 'backups'],
        allowConsoleColors: false,
        logLevel: 'warn',
      }),
    );
    const stryker = join(folder, 'node_modules/.bin/stryker');
    const { status } = spawnSync(stryker, ['run', config], {
      cwd: root,
      env: { ...process.env, UNDROP_TEST_FOLDER: servers },
      stdio: ['ignore', 2, 2],
    });
    if (status !== 0) throw new Error(`Stryker ended with ${status}.`);
    return JSON.parse(readFileSync(report, 'utf8'));
  } finally {
    for (const left of [work, servers]) rmSync(left, { recursive: true, force: true });
  }
}

function summarize({ files }: Report): { killed: string[]; survivors: string[] } {
  const killed: string[] = [];
  const survivors: string[] = [];
  for (const [file, { source, mutants }] of Object.entries(files)) {
    for (const mutant of mutants) {
      const what = describe(file, source, mutant);
      if (mutant.status === 'Killed' || mutant.status === 'Timeout') killed.push(what);
      else if (mutant.status === 'Survived' || mutant.status === 'NoCoverage') survivors.push(what);
    }
  }
  return { killed, survivors };
}

/** Describes a change without its line number, which moves. */
function describe(file: string, source: string, { mutatorName, replacement, location }: Mutant): string {
  const { start, end } = location;
  const lines = source.split('\n').slice(start.line - 1, end.line);
  const last = lines.length - 1;
  lines[last] = lines[last]?.slice(0, end.column - 1) ?? '';
  lines[0] = lines[0]?.slice(start.column - 1) ?? '';
  const shorten = (text: string) => text.replaceAll(/\s+/g, ' ').slice(0, 100);
  return `${file}: ${mutatorName}: ${shorten(lines.join('\n'))} → ${shorten(replacement)}`;
}
