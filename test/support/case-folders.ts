import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ErrorCode, sqlState } from '../../src/errors.ts';
import type { DropOptions } from '../../src/options/options.ts';
import { type Runner, runner } from './migrate.ts';
import { rolePrefix } from './role-prefix.ts';
import type { TestDatabase, TestServer } from './server.ts';
import { skip } from './skip.ts';

/**
 * `test/cases/<family>--<case>/`: `schema.sql` creates the database, `case.json` contains the tables, the options, and
 * the code of the expected refusal, if any.
 */
export interface Case {
  name: string;
  schema: string;
  tables: string[];
  options?: Partial<DropOptions>;
  refused?: ErrorCode;
  /** The oldest major that supports the case. */
  from?: number;
  /** The SQLSTATE with which later minor versions reject the schema. */
  forbidden?: string;
}

const folder = join(import.meta.dirname, '../cases');

// One or two cases of each family.
const some = [
  'aggregates--kinds',
  'columns--attributes',
  'comments--everywhere',
  'constraints--inbound',
  'constraints--kinds',
  'domains--of-row-types',
  'foreign--tables',
  'indexes--kinds',
  'indexes--marks',
  'inheritance--parent-and-children',
  'operators--kinds',
  'partitions--parent-and-all',
  'policies--kinds',
  'publications--members',
  'ranges--in-use',
  'routines--atomic-chain',
  'grants--of-all-kinds',
  'rows--generated-and-identity',
  'rows--keys-of-every-kind',
  'rows--inbound',
  'rules--states',
  'sequences--renamed-identity',
  'statistics--kinds',
  'triggers--states',
  'typed--tables',
  'views--materialized',
  'views--on-views',
];

export function readCases(): Case[] {
  return readdirSync(folder)
    .sort()
    .map((name) => ({
      name,
      schema: readFileSync(join(folder, name, 'schema.sql'), 'utf8').replaceAll(/\bcase_/g, `${rolePrefix}_`),
      ...JSON.parse(readFileSync(join(folder, name, 'case.json'), 'utf8')),
    }));
}

export function readSomeCases(): Case[] {
  return readCases().filter(({ name }) => some.includes(name));
}

/** Skips the test if the server is too old for the case, or is a later minor version that rejects its schema. */
export async function needsCase(
  test: Mocha.Context,
  server: TestServer,
  { from, forbidden, schema }: Case,
): Promise<void> {
  needs(test, server, from);
  if (forbidden === undefined) return;
  const refused = await server.sql('postgres', `begin; ${schema}; rollback`).then(
    () => undefined,
    (error: unknown) => error,
  );
  if (refused === undefined) return;
  if (sqlState(refused) !== forbidden) throw refused;
  skip(test, `PostgreSQL ${server.version.split(' ')[0]} forbids it: ${(refused as Error).message}`);
}

/** Skips the test if the server is too old. */
export function needs(test: Mocha.Context, server: TestServer, from = 0): void {
  if (server.major < from) skip(test, `needs PostgreSQL ${from}`);
}

/** Does work on a new database with this schema. Roles belong to the whole server; those of this run are dropped too. */
export async function inCase(
  server: TestServer,
  schema: string,
  work: (run: Runner, database: TestDatabase) => Promise<void>,
): Promise<void> {
  const database = await server.createDatabase();
  const run = runner(database.url);
  try {
    await server.sql(database.name, schema);
    await work(run, database);
  } finally {
    await run.end();
    await server.dropDatabase(database.name);
    if (!server.embedded && schema.includes(rolePrefix)) await server.sql('postgres', dropRoles);
  }
}

const dropRoles = `do $$ declare r name; begin
  for r in select rolname from pg_roles where starts_with(rolname, '${rolePrefix}_') loop
    execute format('drop role %I', r);
  end loop;
end $$`;
