import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { ErrorCode } from '../src/errors.ts';
import type { DropOptions } from '../src/options.ts';
import { reversibleDrop } from '../src/reversible-drop.ts';
import { refusalOf, runner } from './support/migrate.ts';
import { pgDump } from './support/pg-dump.ts';
import { type TestServer, testServer } from './support/server.ts';

/**
 * `test/cases/<family>--<case>/`: `schema.sql` makes the database, `case.json` says what to drop, how, and with
 * which code it is to be refused, if it is.
 */
interface Case {
  tables: string[];
  options?: Partial<DropOptions>;
  refused?: ErrorCode;
  /** The oldest major that knows what the case uses. */
  from?: number;
}

const folder = join(import.meta.dirname, 'cases');

describe('cases', () => {
  let server: TestServer;
  before(async () => {
    server = await testServer();
  });

  for (const name of readdirSync(folder).sort()) {
    const { tables, options, refused, from = 0 } = readCase(name);
    const migration = reversibleDrop({ name, tables, ...options });

    it(refused === undefined ? `${name}: comes back` : `${name}: is refused, ${refused}`, async function () {
      if (server.major < from) this.skip();
      const database = await server.createDatabase();
      await server.sql(database.name, readFileSync(join(folder, name, 'schema.sql'), 'utf8'));
      const before = await look(database.url);
      const run = runner(database.url);
      try {
        if (refused !== undefined) {
          await refusalOf(run.up(migration), refused);
          expect(await look(database.url)).to.equal(before);
          const traces = await run.rows(`select from pg_namespace where nspname = 'undrop'`);
          expect(traces, 'a trace of the archive').to.have.length(0);
          return;
        }
        await run.up(migration);
        const standing = await run.rows(
          `select to_regclass(t ->> 'sql') as name from undrop.drops, jsonb_array_elements(tables) t`,
        );
        expect(
          standing.map(({ name }) => name),
          'still there',
        ).to.deep.equal(tables.map(() => null));
        await run.down(migration);
        const after = await look(database.url);
        if (after !== before)
          expect(statements(after), 'more than the order differs').to.deep.equal(statements(before));
        await run.up(migration);
        const prints = await run.rows<{ fingerprint: string }>(
          'select distinct fingerprint from undrop.drops',
        );
        expect(prints, 'the second drop captures the same').to.have.length(1);
      } finally {
        await run.end();
        await server.dropDatabase(database.name);
        await dropRoles(server);
      }
    });
  }
});

function readCase(name: string): Case {
  return JSON.parse(readFileSync(join(folder, name, 'case.json'), 'utf8'));
}

/** Schema and rows as pg_dump sees them, less our own schema. */
function look(url: string): Promise<string> {
  return pgDump(url, ['--exclude-schema=undrop']);
}

function statements(dump: string): string[] {
  return dump.split(/;\n/).sort();
}

/** Roles belong to the whole server: those that a case makes are named case_…. */
async function dropRoles(server: TestServer): Promise<void> {
  await server.sql(
    'postgres',
    `do $$ declare r name; begin
       for r in select rolname from pg_roles where rolname like 'case\\_%' loop execute format('drop role %I', r); end loop;
     end $$`,
  );
}
