import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ErrorCode } from '../../src/errors.ts';
import type { DropOptions } from '../../src/options.ts';
import type { TestServer } from './server.ts';

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
}

const folder = join(import.meta.dirname, '../cases');

export function readCases(): Case[] {
  return readdirSync(folder)
    .sort()
    .map((name) => ({
      name,
      schema: readFileSync(join(folder, name, 'schema.sql'), 'utf8'),
      ...JSON.parse(readFileSync(join(folder, name, 'case.json'), 'utf8')),
    }));
}

/** Roles belong to the whole server: those that a case makes are named case_…. */
export async function dropRoles(server: TestServer): Promise<void> {
  await server.sql(
    'postgres',
    `do $$ declare r name; begin
       for r in select rolname from pg_roles where rolname like 'case\\_%' loop execute format('drop role %I', r); end loop;
     end $$`,
  );
}
