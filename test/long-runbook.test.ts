import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import createKnex from 'knex';
import { seed } from '../seeds/01_turing.ts';
import { runCommand, withoutProgress } from './support/command.ts';
import { nativeOrSkip } from './support/pg-dump.ts';
import { makeProject, type Project } from './support/project.ts';
import type { TestDatabase } from './support/server.ts';
import { skip } from './support/skip.ts';
import { useServer } from './support/use-database.ts';

interface Step {
  readonly command: string;
  /** The output on both streams; `[…]` stands for omitted lines. */
  readonly lines: readonly string[];
}

const text = readFileSync(join(import.meta.dirname, '../docs/runbook.md'), 'utf8');
const steps = [...text.matchAll(/^```console\n(.*?)^```$/gms)].flatMap(([, block = '']) => readSteps(block));

function readSteps(block: string): Step[] {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = '', ...lines] = part.trimEnd().split('\n');
      return { command, lines };
    });
}

describe('docs/runbook.md', () => {
  const server = useServer();
  let project: Project;
  let database: TestDatabase;
  let tools: string;
  /** Stands for `../ty_learn`. */
  let app: string;

  before(async function () {
    const pgDump = await nativeOrSkip(this, server.major);
    tools = dirname(pgDump.path);
    if (!existsSync(join(tools, 'psql'))) return skip(this, `there is no psql in ${tools}`);
    if (!server.own) return skip(this, 'not with UNDROP_TEST_URL');
    project = makeProject();
    app = mkdtempSync(join(tmpdir(), 'undrop-app-'));
    for (const folder of ['core', 'scripts', 'workflows']) {
      mkdirSync(join(app, folder));
      writeFileSync(join(app, folder, 'run.py'), 'db.run("select * from workflow_runs")\n');
    }
    database = await server.createDatabase('turing');
    const knex = createKnex({ client: 'pg', connection: server.config(database.name) });
    await seed(knex).finally(() => knex.destroy());
  });

  after(async () => {
    project?.remove();
    if (app !== undefined) rmSync(app, { recursive: true });
    for (const name of ['turing', 'turing_restored']) await server.dropDatabase(name);
  });

  for (const { command, lines } of steps) {
    it(`$ ${command}`, async () => {
      const wanted = plain(lines.join('\n')).split('\n');
      const said = plain(await run(command))
        .trimEnd()
        .split('\n');
      expect(shorten(said, wanted), said.join('\n')).to.deep.equal(wanted);
    });
  }

  async function run(command: string): Promise<string> {
    const env = {
      PATH: `${tools}:${process.env.PATH}`,
      HOME: project.folder,
      NO_COLOR: '1',
      DATABASE_URL: database.url,
    };
    const line = `exec 2>&1; ${command.replaceAll('../ty_learn', app)}`;
    return withoutProgress((await runCommand('sh', ['-c', line], { cwd: project.folder, env })).stdout);
  }

  /** Replaces what differs between runs and machines. */
  function plain(said: string): string {
    return (
      said
        .replaceAll(project.folder, '/srv/turing')
        .replaceAll(app, '../ty_learn')
        .replaceAll(` on ${hostname()}`, ' on db1')
        // Line breaks depend on the length of the folder's path.
        .replaceAll(/\n {16,}/g, ' ')
        .replace(/\bat \S+:\d+ as/g, 'at localhost:5432 as')
        .replace(/\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(Z|\+00(:00)?)/g, '<time>')
        .replace(/by_pre_cleanup_\d{8}_\d{6}/g, 'by_pre_cleanup_<time>')
        .replace(/\d+ bytes \(\d+ kB\), [\d.]+ s, pg_dump .*/g, '<bytes>, <seconds>, <version>')
        .replace(/\b[0-9a-f]{64}\b/g, '<sha256>')
        .replace(/write-ahead log [0-9A-F]+\/[0-9A-F]+/g, 'write-ahead log <place>')
        .replace(/\b[0-9a-f]{12}\b/g, '<fingerprint>')
        .replace(/\b\d+ (kB|bytes)\b/g, '<size>')
        .replace(/\b\d+ files\b/g, '<files>')
    );
  }
});

/** The output without the lines that the document omits: equal to the document if it is right. */
function shorten(said: readonly string[], wanted: readonly string[]): string[] {
  const rest = [...said];
  const shown = wanted.map((line, index) => {
    if (line !== '[…]') return rest.shift() ?? '';
    const next = wanted[index + 1];
    const place = next === undefined ? -1 : rest.indexOf(next);
    rest.splice(0, place < 0 ? rest.length : place);
    return line;
  });
  return [...shown, ...rest];
}
