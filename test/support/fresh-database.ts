import { type Runner, runner } from './migrate.ts';
import type { TestDatabase, TestServer } from './server.ts';

/** Creates a database with this schema, and a Knex for it. */
export async function freshDatabase(
  server: TestServer,
  schema: string,
): Promise<{ database: TestDatabase; run: Runner }> {
  const database = await server.createDatabase();
  const run = runner(database.url);
  await run.knex.raw(schema);
  return { database, run };
}
