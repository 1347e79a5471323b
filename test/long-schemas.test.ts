import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import { compareDumps, dumpedStatements } from '../src/roundtrip/dump.ts';
import { quietly } from '../src/text/log.ts';
import { type Runner, runner } from './support/migrate.ts';
import { wholeText } from './support/pg-dump.ts';
import { type TestDatabase, type TestServer, testServer } from './support/server.ts';
import { skip } from './support/skip.ts';

const folder = join(import.meta.dirname, '../../shared/schemas');

// pagila.sql holds no rows.
const pagilaRows = /* sql */ `
  set session_replication_role = replica;
  insert into country (country) select 'country ' || i from generate_series(1, 3) i;
  insert into city (city, country_id) select 'city ' || i, 1 + i % 3 from generate_series(1, 9) i;
  insert into address (address, address2, district, city_id, phone)
    select 'street ' || i, case when i % 2 = 0 then '' end, 'here', 1 + i % 9, '' from generate_series(1, 20) i;
  insert into language (name) values ('English'), ('Ελληνικά'), (E'a\\nb');
  insert into actor (first_name, last_name) select 'first ' || i, 'last' from generate_series(1, 10) i;
  insert into category (name) select 'category ' || i from generate_series(1, 4) i;
  insert into film (title, release_year, language_id, rating, special_features, fulltext)
    select 'film ' || i, 1990 + i, 1 + i % 3, 'PG-13', array['Trailers', null, '"'], to_tsvector('film ' || i)
    from generate_series(1, 30) i;
  insert into film_actor (actor_id, film_id) select 1 + i % 10, i from generate_series(1, 30) i;
  insert into film_category (film_id, category_id) select i, 1 + i % 4 from generate_series(1, 30) i;
  insert into store (manager_staff_id, address_id) values (1, 1), (2, 2);
  insert into staff (first_name, last_name, address_id, store_id, username, picture)
    values ('Ann', 'One', 3, 1, 'ann', '\\x00ff'), ('Bob', 'Two', 4, 2, 'bob', null);
  insert into customer (store_id, first_name, last_name, address_id)
    select 1 + i % 2, 'c' || i, 'l', 1 + i % 20 from generate_series(1, 15) i;
  insert into inventory (film_id, store_id) select 1 + i % 30, 1 + i % 2 from generate_series(1, 40) i;
  insert into rental (rental_date, inventory_id, customer_id, staff_id)
    select timestamptz '2022-01-05 00:00+00' + i * interval '1 day', i, 1 + i % 15, 1 + i % 2
    from generate_series(1, 40) i;
  insert into payment (customer_id, staff_id, rental_id, amount, payment_date)
    select 1 + i % 15, 1 + i % 2, i, i, timestamptz '2022-01-10 00:00+00' + i * interval '4 days'
    from generate_series(1, 40) i;
  refresh materialized view rental_by_category;`;

const schemas = [
  { file: 'pagila.sql', tables: 22, more: pagilaRows },
  { file: 'chinook.sql', tables: 11, more: '' },
];

describe('published schemas', () => {
  for (const { file, tables: expected, more } of schemas) {
    describe(file, () => {
      let server: TestServer;
      let database: TestDatabase;
      let run: Runner;
      let original: string;
      let tables: string[];

      before('load it', async function () {
        if (!existsSync(folder)) {
          skip(this, `there is no ${join(folder, file)}`);
        }
        server = await testServer();
        database = await server.createDatabase();
        await server.sql(database.name, schemaOf(join(folder, file)));
        await server.sql(database.name, more === '' ? 'select' : `set search_path = public; ${more}`);
        run = runner(database.url);
        original = await wholeText(database.url);
        tables = (
          await run.rows<{ name: string }>(
            `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = 'public' order by 1`,
          )
        ).map(({ name }) => name);
        expect(tables).to.have.length(expected);
      });

      after(async () => {
        await run?.end();
        if (database !== undefined) await server.dropDatabase(database.name);
      });

      it('is restored, one table at a time', async () => {
        for (const table of tables) await dropAndRestore(run, [table]);
        expectSame(original, await wholeText(database.url));
      });

      it('is restored, all tables at once', async () => {
        await dropAndRestore(run, tables, () =>
          run.rows(`select from pg_tables where schemaname = 'public'`).then((left) => {
            expect(left).to.have.length(0);
          }),
        );
        expectSame(original, await wholeText(database.url));
      });
    });
  }
});

/** Drops and restores the tables; `down` compares facts and rows. */
async function dropAndRestore(run: Runner, tables: string[], between = async () => {}): Promise<void> {
  const name = tables.length === 1 ? `only ${tables[0]}` : 'all';
  const migration = reversibleDrop({ name, tables, dependents: 'cascade', rows: 'copy' });
  await quietly(async () => {
    await run.up(migration);
    await between();
    await run.down(migration);
  });
}

function expectSame(before: string, after: string): void {
  const { differences } = compareDumps(dumpedStatements(before), dumpedStatements(after));
  expect(differences).to.deep.equal([]);
}

/** Removes psql's own commands, which the server does not accept. */
function schemaOf(path: string): string {
  return readFileSync(path, 'utf8').replace(/^\\.*$/gm, '');
}
