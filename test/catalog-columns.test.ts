import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { databaseRows } from '../src/catalog/facts/database-rows.ts';
import { noise, rows } from '../src/catalog/facts/normal.ts';
import { testServer } from './support/server.ts';

/** All columns of the catalogs of facts in PostgreSQL 14 to 18, each reviewed by a person. */
const known: Readonly<Record<string, readonly string[]>> = JSON.parse(
  readFileSync(join(import.meta.dirname, 'fixtures/catalog-columns.json'), 'utf8'),
);

describe('columns of the catalogs', () => {
  it('are all known; for a new one, decide in src/catalog/facts/normal.ts whether it is a fact', async () => {
    const server = await testServer();
    const found = await server.sql<{ catalog: string; column: string }>(
      'postgres',
      `select c.relname as catalog, a.attname as column
       from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       where c.relnamespace = 'pg_catalog'::regnamespace and c.relkind = 'r'
       order by 1, 2`,
    );
    const ours = new Set([...Object.keys(rows), ...Object.keys(databaseRows)]);
    expect([...ours].sort()).to.deep.equal(Object.keys(known).sort());
    const unknown = found
      .filter(({ catalog, column }) => ours.has(catalog) && !known[catalog]?.includes(column))
      .map(({ catalog, column }) => `${catalog}.${column}`);
    expect(unknown, server.version).to.deep.equal([]);
  });

  it('that are not facts exist', () => {
    for (const [catalog, columns] of Object.entries(noise))
      expect(known[catalog], catalog).to.include.members(Object.keys(columns));
  });
});
