import { dirname } from 'node:path';
import { expect } from 'chai';
import { isUndropError } from '../src/errors.ts';
import { readSettings } from '../src/knex/settings.ts';
import { compareDumps, dumpedStatements } from '../src/roundtrip/dump.ts';
import { roundtrip } from '../src/roundtrip/roundtrip.ts';
import { quietly } from '../src/text/log.ts';
import { startCommand } from './support/command.ts';
import { until } from './support/until.ts';
import { useDatabase, useServer } from './support/use-database.ts';

const schema = /* sql */ `
  create schema app;
  create table app.parent (id int primary key);
  create table app.child (id serial primary key, parent int references app.parent);
  create table app.typed (whole app.parent);
  create view app.both as select p.id, c.id as child from app.parent p join app.child c on c.parent = p.id;
  create table "My Table" (id int, v text);
  insert into app.parent values (1), (2);
  insert into app.child (parent) values (1), (1), (2);
  insert into "My Table" select n, repeat('x', n) from generate_series(1, 50) n;`;

// An event trigger that writes to another table while b does not exist. Only the comparison of the whole database finds that.
const interferingTrigger = /* sql */ `
  create table log (line text);
  create function meddle() returns event_trigger language plpgsql as $$
    begin
      if to_regclass('public.b') is null then insert into public.log values ('b has gone'); end if;
    end $$;
  create table a (id int);
  create table b (id int);
  create table c (id int);
  create event trigger meddler on sql_drop execute function meddle();`;

describe('roundtrip', () => {
  const server = useServer();

  const { database, sql } = useDatabase(server);

  afterEach(async () => {
    const left = await server.sql(
      'postgres',
      `select from pg_database where datname like 'undrop\\_roundtrip\\_%'`,
    );
    expect(left, 'copies that are left').to.have.length(0);
  });

  const run = (choice = {}) =>
    quietly(() => roundtrip(readSettings({ ...process.env, DATABASE_URL: database.url }), choice));

  it('reports for every table whether it is restored exactly', async () => {
    await sql(schema);
    const { results } = await run();
    expect(results.map(({ table, outcome, code }) => [table, outcome, code])).to.deep.equal([
      ['app.child', 'exact', null],
      ['app.parent', 'refused', 'not-reproducible'],
      ['app.typed', 'exact', null],
      ['public."My Table"', 'exact', null],
    ]);
    expect(results[1]?.reason).to.contain('app.typed.whole');
  });

  it('accepts a pattern and a sample', async () => {
    await sql(schema);
    const tables = async (choice: object) => (await run(choice)).results.map(({ table }) => table);
    expect(await tables({ pattern: '*y*' })).to.deep.equal(['app.typed', 'public."My Table"']);
    expect(await tables({ pattern: 'app.*', sample: 2 })).to.have.length(2);
    expect(await tables({ pattern: 'nothing' })).to.deep.equal([]);
  });

  it('finds the one table whose drop and restore change another object', async () => {
    await sql(interferingTrigger);
    const { results } = await run();
    expect(results.map(({ table, outcome }) => [table, outcome])).to.deep.equal([
      ['public.a', 'exact'],
      ['public.b', 'different'],
      ['public.c', 'exact'],
      ['public.log', 'exact'],
    ]);
    expect(results[1]?.reason).to.contain('rows after: public.log: 1 rows');
  });

  it('reports why the database cannot be copied', async () => {
    const other = await server.client(database.name);
    const error = await run().catch((thrown) => thrown);
    await other.end();
    expect(isUndropError(error) && error.code).to.equal('in-use');
  });

  it('prints the numbers of outcomes, and exits with 1 if a table differs', async () => {
    await sql(interferingTrigger);
    const { code, out } = await command().done;
    expect(out.trimEnd().split('\n').at(-1)).to.equal('exact 3 refused 0 different 1 failed 0 of 4');
    expect(out).to.match(/^different {2}public\.b {2}witness: /);
    expect(code).to.equal(1);
  });

  it('drops its copies when it is interrupted', async () => {
    await sql(
      `${schema}
      create function doze() returns event_trigger language plpgsql as
        $$ begin if current_database() like 'undrop%' then perform pg_sleep(600); end if; end $$;
      create event trigger doze on sql_drop execute function doze()`,
    );
    const { child, done } = command();
    const copies = () =>
      server.sql('postgres', `select from pg_database where datname = 'undrop_roundtrip_${child.pid}_2'`);
    await until(async () => (await copies()).length > 0);
    child.kill('SIGINT');
    expect(await done).to.include({ code: 130, out: '' });
  });

  function command() {
    const args = ['--import', 'tsx', 'scripts/undrop.ts', 'roundtrip', '--database', database.url];
    const { child, ended } = startCommand(process.execPath, args, {
      cwd: dirname(import.meta.dirname),
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    const done = ended.then(({ status, stdout }) => ({ code: status, out: stdout }));
    return { child, done };
  }
});

describe('two dumps', () => {
  const dump = (...parts: string[]) => dumpedStatements(parts.join(''));
  const space = (name: string) => `SET default_tablespace = ${name};\n`;
  const table = (name: string) => `CREATE TABLE ${name} (\n    id integer\n);\n`;

  it('with the same statements in another order are reordered', () => {
    const before = dump(space("''"), table('a'), table('b'));
    expect(compareDumps(before, before)).to.deep.equal({ differences: [], reordered: false });
    const after = dump(space("''"), table('b'), table('a'));
    expect(compareDumps(before, after)).to.deep.equal({ differences: [], reordered: true });
  });

  it('differ if a setting changes the meaning of a statement', () => {
    const before = dump(space("''"), table('a'), space('fast'), table('b'));
    const after = dump(space("''"), table('b'), space('fast'), table('a'));
    expect(compareDumps(before, after).differences).to.have.length(4);
  });

  it('differ if a statement is repeated', () => {
    expect(compareDumps(dump(table('a')), dump(table('a'), table('a'))).differences).to.have.length(1);
  });
});
