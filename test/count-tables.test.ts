import { expect } from 'chai';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { countTables } from '../src/status/count-tables.ts';
import { refusalOf } from './support/migrate.ts';
import { useDatabase, useServer } from './support/use-database.ts';

const schema = `
  create table runs (id int) partition by range (id);
  create table runs_1 partition of runs for values from (1) to (2);
  create table "Ärger" (id int);
  create view open_runs as select * from runs;
  create materialized view old_runs as select * from runs;
  create sequence counted;
  create schema "a ""b""";
  create table "a ""b""".logs (id int);
  create schema empty;`;

describe('count-tables', () => {
  const { run } = useDatabase(useServer(), schema, { shared: true });
  const count = (name: string) => inReadOnlySession(run.knex, (session) => countTables(session, name));

  it('lists the tables of a schema with their partitions, but no other relations', async () => {
    expect(await count('public')).to.deep.equal({ count: 3, tables: ['runs', 'runs_1', 'Ärger'] });
    expect(await count('a "b"')).to.deep.equal({ count: 1, tables: ['logs'] });
    expect(await count('empty')).to.deep.equal({ count: 0, tables: [] });
  });

  it('refuses a schema that does not exist', async () => {
    for (const name of ['nowhere', 'PUBLIC', '']) {
      const error = await refusalOf(count(name), 'bad-options');
      const { database } = run.knex.client.connectionSettings;
      expect(error.message).to.equal(`The schema ${name} does not exist in ${database}.`);
      expect(error.subject).to.equal(name);
    }
  });
});
