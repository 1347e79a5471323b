import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ErrorCode, sqlState } from '../../src/errors.ts';
import type { DropOptions } from '../../src/options/options.ts';
import { type Runner, runner } from './migrate.ts';
import type { TestDatabase, TestServer } from './server.ts';
import { skip } from './skip.ts';

/**
 * `test/cases/<family>--<case>/`: `schema.sql` makes the database, `case.json` says what to drop, how, and with
 * which code it is to be refused, if it is.
 */
export interface Case {
  name: string;
  schema: string;
  tables: string[];
  options?: Partial<DropOptions>;
  refused?: ErrorCode;
  /** The oldest major that knows what the case uses. */
  from?: number;
  /** The SQLSTATE with which minors that came later refuse the schema. */
  forbidden?: string;
}

const folder = join(import.meta.dirname, '../cases');

// One or two of each family.
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
      schema: readFileSync(join(folder, name, 'schema.sql'), 'utf8'),
      ...JSON.parse(readFileSync(join(folder, name, 'case.json'), 'utf8')),
    }));
}

export function readSomeCases(): Case[] {
  return readCases().filter(({ name }) => some.includes(name));
}

/** The test is pending where the server is too old for the case, or forbids by now what its schema does. */
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

/** The test is pending where the server is too old for what it does. */
export function needs(test: Mocha.Context, server: TestServer, from = 0): void {
  if (server.major < from) skip(test, `needs PostgreSQL ${from}`);
}

/**
 * Does the work on a new database with this schema. Roles belong to the whole server, so those of a schema are named
 * case_…, and nobody else's case runs on the server while they are there.
 */
export async function inCase(
  server: TestServer,
  schema: string,
  work: (run: Runner, database: TestDatabase) => Promise<void>,
): Promise<void> {
  const free = server.embedded || !schema.includes('case_') ? undefined : await lockRoles(server);
  const database = await server.createDatabase();
  const run = runner(database.url);
  try {
    await server.sql(database.name, schema);
    await work(run, database);
  } finally {
    await run.end();
    await server.dropDatabase(database.name);
    await free?.();
  }
}

/** Takes the roles' lock; gives what drops them and lets go. */
async function lockRoles(server: TestServer): Promise<() => Promise<void>> {
  const client = await server.client('postgres');
  await client.query(`select pg_advisory_lock(hashtext('case roles'))`);
  const dropRoles = `do $$ declare r name; begin
    for r in select rolname from pg_roles where rolname like 'case\\_%' loop execute format('drop role %I', r); end loop;
  end $$`;
  return async () => {
    await client.query(dropRoles).finally(() => client.end());
  };
}
