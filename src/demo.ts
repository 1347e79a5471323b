import { AsyncResource } from 'node:async_hooks';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import createKnex, { type Knex } from 'knex';
import { backup } from './backup/take/take-backup.ts';
import { UndropError } from './errors.ts';
import { type EmbeddedServer, startEmbedded } from './knex/embedded.ts';
import type { Target } from './knex/target.ts';
import { undropConfig } from './migration/knex-config.ts';
import { quoteName } from './options/table-name.ts';
import { inReadOnlySession } from './session/read-only.ts';
import { countTables } from './status/count-tables.ts';
import { logTo } from './text/log.ts';
import { countOf, duration, size } from './text/units.ts';
import { verifyDatabase } from './verify/verify.ts';

/** A check of the demo. */
export interface Shown {
  readonly what: string;
  readonly expected: string;
  readonly found: string;
  readonly held: boolean;
}

/**
 * Runs a demonstration on a temporary embedded database, whatever database the environment names: seeds the turing
 * database, backs it up, cleans it up, verifies and restores it, once without and once with the optional tables.
 *
 * @param say is called with a line before each step, and with one for each check
 * @throws UndropError as the steps
 */
export async function demo(say: (line: string) => void): Promise<Shown[]> {
  forgetSettings();
  const folder = await mkdtemp(join(tmpdir(), 'undrop-demo-'));
  const { tell, end } = withSigns(say);
  try {
    tell('An embedded PostgreSQL starts in this process');
    const server = await startEmbedded(folder);
    const stage = makeStage(server, folder);
    try {
      // The migrations log below their step. Bound, since a log within the sink would reach the sink again.
      const outside = AsyncResource.bind(tell);
      const log = (line: string) => {
        // The step says it already.
        if (!line.includes(' waits for ')) outside(`  ${line}`);
      };
      return await logTo(log, () => play(stage, outside));
    } finally {
      await stage.knex.destroy();
      await server.stop();
    }
  } finally {
    end();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Adds a line after the first second without one, and after every fifth. */
function withSigns(say: (line: string) => void) {
  let silent = 0;
  const timer = setInterval(() => {
    silent++;
    if (silent === 1 || silent % 5 === 0) say(`    … ${duration(silent)}`);
  }, 1000);
  const tell = (line: string) => {
    silent = 0;
    timer.refresh();
    say(line);
  };
  return { tell, end: () => clearInterval(timer) };
}

/** Removes settings from the environment, so that the demo uses the defaults. */
function forgetSettings(): void {
  for (const name of Object.keys(process.env)) {
    if (/^(UNDROP_|APPROV|DATABASE_URL$|PG|NODE_ENV$)/.test(name)) delete process.env[name];
  }
}

interface Stage {
  readonly knex: Knex;
  readonly target: Target;
  readonly server: EmbeddedServer;
  readonly folder: string;
}

function makeStage(server: EmbeddedServer, folder: string): Stage {
  const target: Target = { settings: { ...server.settings, ssl: { mode: 'disable' } }, embedded: server };
  const root = join(import.meta.dirname, '..');
  return { knex: createKnex(undropConfig({ root, connection: target })), target, server, folder };
}

async function play(stage: Stage, tell: (line: string) => void): Promise<Shown[]> {
  const { knex, target, server, folder } = stage;
  const shown: Shown[] = [];
  const show = (what: string, expected: string, found: string) => {
    const held = expected === found;
    shown.push({ what, expected, found, held });
    tell(`  ${held ? '✔' : '✘'} ${what}: ${found}${held ? '' : `, expected ${expected}`}`);
  };
  const step = (line: string) => {
    tell('');
    tell(line);
  };
  const showCounts = async (what: string, expected: string) => show(what, expected, await readCounts(knex));
  const dump = () => server.dump(['--exclude-schema=undrop']);

  step('knex seed:run creates the turing database as the proposal describes it');
  await knex.seed.run();
  await showCounts('before', '74 tables, 23 empty');
  const before = await dump();

  step('undrop backup dumps the database and proves the file');
  const { tables, bytes, proof } = await backup(knex, target, { folder: join(folder, 'backups') });
  show('backup', 'proved by contents', `proved by ${proof}`);
  tell(`    ${countOf(tables, 'table')}, ${size(bytes)}`);

  step('knex migrate:latest drops the six legacy tables; 045 waits for approval');
  await knex.migrate.latest();
  await showCounts('after 044', '68 tables, 17 empty');

  step('undrop verify --expect 68');
  const { checks } = await inReadOnlySession(knex, (session) => verifyDatabase(session, { expect: 68 }));
  for (const { name, state, found } of checks)
    tell(`    ${state}: ${name} (${withoutFolder(found, folder)})`);
  const checked = checks.filter(({ state }) => state !== 'not checked');
  const good = checked.filter(({ state }) => state === 'ok');
  show('verified', '5 of 5 checks', `${good.length} of ${checked.length} checks`);

  step('knex migrate:rollback restores them');
  await knex.migrate.rollback();
  await showCounts('after the rollback', '74 tables, 23 empty');
  show('schema and rows, by pg_dump', 'identical', compare(before, await dump()));

  process.env.APPROVED_DROPS = 'interaction_lineage,workflow_dependencies,organizations';
  step('knex migrate:latest runs again, with all three optional tables in APPROVED_DROPS');
  await knex.migrate.latest();
  await showCounts('after 044 and 045', '65 tables, 14 empty');

  delete process.env.APPROVED_DROPS;
  step('knex migrate:rollback restores them, without approvals');
  await knex.migrate.rollback();
  await showCounts('after the rollback', '74 tables, 23 empty');
  show('schema and rows, by pg_dump', 'identical', compare(before, await dump()));
  return shown;
}

/** The error for failed checks of the demo; undefined where all have passed. */
export function demoFailure(shown: readonly Shown[]): UndropError | undefined {
  const failed = shown.filter(({ held }) => !held);
  if (failed.length === 0) return undefined;
  return new UndropError('count-differs', {
    subject: 'demo',
    message: `${failed.length} of ${shown.length} checks failed.`,
    reason: failed
      .map(({ what, expected, found }) => `${what}: expected ${expected}, found ${found}`)
      .join('\n'),
    next: 'Please report this, with the version of Node.js.',
  });
}

/** The number of tables in `public`, and of the empty ones among them. */
async function readCounts(knex: Knex): Promise<string> {
  return inReadOnlySession(knex, async (session) => {
    const { count, tables } = await countTables(session, 'public');
    const selects = tables.map(
      (name) => `select not exists (select from public.${quoteName(name)}) as empty`,
    );
    const rows = await session.read<{ empty: boolean }>(selects.join(' union all '));
    return `${count} tables, ${rows.filter(({ empty }) => empty).length} empty`;
  });
}

function compare(before: string, after: string): string {
  return before === after ? 'identical' : 'different';
}

function withoutFolder(text: string, folder: string): string {
  return text.replaceAll(`${folder}/`, '');
}
