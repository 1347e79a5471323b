import { isUndropError } from '../../src/errors.ts';
import { planDrop } from '../../src/migration/plan-drop.ts';
import { reversibleDrop } from '../../src/migration/reversible-drop.ts';
import type { DropOptions } from '../../src/options/options.ts';
import { compareDumps, dumpedStatements } from '../../src/roundtrip/dump.ts';
import { inSession } from '../../src/session/session.ts';
import { quietly } from '../../src/text/log.ts';
import { type Behaviour, compareBehaviour, readBehaviour } from '../support/behaviour.ts';
import { inCase } from '../support/case-folders.ts';
import { dropCascade, predictAndDrop, undone, watch } from '../support/oracle.ts';
import { pgDump } from '../support/pg-dump.ts';
import type { TestServer } from '../support/server.ts';
import { roles, takes } from './build.ts';

/** A schema, and the tables to drop. */
export interface Trial {
  readonly statements: readonly string[];
  readonly tables: readonly string[];
  readonly options: Pick<DropOptions, 'dependents' | 'rows'>;
}

/** The outcome: restored, refused with a code, or a violated law. */
export interface TrialResult {
  readonly objects: number;
  readonly end: 'restored' | 'refused' | 'broken' | 'nothing to drop';
  /** The code of the refusal, or the violated law. */
  readonly what: string;
  readonly detail: string;
}

// The codes of refusals that are allowed for any schema.
const honest = ['not-reproducible', 'rehearsal-differs', 'has-dependents', 'not-empty'];

const filledSql = `
  select format('%I.%I', schemaname, matviewname) as name from pg_matviews where ispopulated order by 1`;

const objectsSql = 'select count(distinct (classid, objid))::int as n from pg_depend where objid >= 16384';

/** Creates the schema in a new database, and checks laws 1 to 3 of the design. */
export async function attempt(server: TestServer, trial: Trial): Promise<TrialResult> {
  const plain = await plainDrop(server, trial);
  let result: TrialResult | undefined;
  await inCase(server, roles, async (run, { name, url }) => {
    const { tables, objects } = await make(server, name, trial);
    const end = (how: TrialResult['end'], what = '', detail = '') => {
      result = { objects, end: how, what, detail };
    };
    if (tables.length === 0) return end('nothing to drop');
    const did = await behave(server, name);
    const before = await look(url);
    const migration = { name: 'random', tables, ...trial.options };
    try {
      const { predicted, dropped } = await inSession(run.knex, (session) =>
        undone(session, async () => {
          await session.run(watch);
          return predictAndDrop(session, tables);
        }),
      );
      const surprises = compareDumps(predicted, dropped).differences;
      if (surprises.length > 0)
        return end('broken', 'the closure differs from what was dropped', surprises.join('\n'));
      await quietly(() => planDrop(run.knex, migration));
      const refusal = await quietly(() => run.up(reversibleDrop(migration))).then(
        () => undefined,
        (error: unknown) => error,
      );
      if (refusal !== undefined) {
        if (!isUndropError(refusal)) throw refusal;
        const traces = differences(before, await look(url, []));
        if (traces.length > 0) return end('broken', 'a refusal changes the database', traces.join('\n'));
        const known = honest.includes(refusal.code) ? 'refused' : 'broken';
        return end(known, refusal.code, `${refusal.message}\n${refusal.reason}`);
      }
      const rehearsed = differences(plain ?? [], await look(url));
      if (plain !== undefined && rehearsed.length > 0)
        return end('broken', 'a rehearsal changes the database', rehearsed.join('\n'));
      await quietly(() => run.down(reversibleDrop(migration)));
      const lost = differences(before, await look(url));
      if (lost.length > 0) return end('broken', 'the restored objects differ', lost.join('\n'));
      const changed = compareBehaviour(did, await behave(server, name));
      if (changed.length > 0)
        return end('broken', 'the restored objects behave differently', changed.join('\n'));
      end('restored');
    } catch (error) {
      const what = isUndropError(error) ? error.code : 'an error that is not an UndropError';
      end(
        'broken',
        what,
        isUndropError(error) ? `${error.message}\n${error.reason}` : String((error as Error).stack),
      );
    }
  });
  if (result === undefined) throw new Error('the trial has no result');
  return result;
}

/** Returns what pg_dump prints after a manual drop; undefined if the drop fails. */
async function plainDrop(server: TestServer, trial: Trial): Promise<string[] | undefined> {
  let seen: string[] | undefined;
  await inCase(server, roles, async (run, { name, url }) => {
    const { tables } = await make(server, name, trial);
    if (tables.length === 0) return;
    await inSession(run.knex, (session) => dropCascade(session, tables));
    seen = await look(url);
  });
  return seen;
}

async function make(
  server: TestServer,
  database: string,
  { statements, tables }: Trial,
): Promise<{ tables: string[]; objects: number }> {
  const client = await server.client(database);
  try {
    for (const statement of statements) await takes(client, statement);
    // A restore refreshes them, so that they show rows that were inserted later.
    for (const { name } of (await client.query<{ name: string }>(filledSql)).rows)
      await takes(client, `refresh materialized view ${name}`);
    const there = await client.query<{ name: string }>(
      'select name from unnest($1::text[]) as t (name) where to_regclass(name) is not null',
      [tables],
    );
    const { rows } = await client.query<{ n: number }>(objectsSql);
    return { tables: there.rows.map((row) => row.name), objects: rows[0]?.n ?? 0 };
  } finally {
    await client.end();
  }
}

async function behave(server: TestServer, database: string): Promise<Behaviour> {
  const client = await server.client(database);
  try {
    return await readBehaviour(client, 100);
  } finally {
    await client.end();
  }
}

async function look(url: string, options = ['--exclude-schema=undrop*']): Promise<string[]> {
  const header = /^--( (Data for )?Name: .*)?$/gm;
  return (
    dumpedStatements(await pgDump(url, options))
      // pg_dump also prints it for an identity column that was dropped.
      .map((statement) =>
        statement.replace(header, '').replace(' OVERRIDING SYSTEM VALUE VALUES', ' VALUES').trim(),
      )
      .filter((statement) => statement !== '')
  );
}

function differences(before: readonly string[], after: readonly string[]): readonly string[] {
  return compareDumps(before, after).differences;
}
