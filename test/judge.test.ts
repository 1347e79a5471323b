import { expect } from 'chai';
import { statements } from './support/judges.ts';
import { nativePgDump, wasmPgDump } from './support/pg-dump.ts';
import type { TestDatabase } from './support/server.ts';
import { skip } from './support/skip.ts';
import { useServer } from './support/use-database.ts';

const schema = /* sql */ `
  create schema "odd.Schema";
  create type mood as enum ('happy', 'sad');
  create table "odd.Schema"."a ""quoted"" one" (id int generated always as identity primary key, mood mood not null);
  create table part (day date, note text default 'n;o') partition by range (day);
  create table part_2024 partition of part for values from ('2024-01-01') to ('2025-01-01');
  create index on part (note);
  create function twice(i int) returns int language sql begin atomic select i * 2; end;
  create view seen as select day, twice(1) as two from part;
  comment on view seen is 'a
    comment -- with more';
  alter table part enable row level security;
  create policy p on part using (note <> '');
  create publication pub for table part;
`;

describe('the judge (pg_dump 18 in WASM)', () => {
  const server = useServer();
  let database: TestDatabase;
  const schemaText = (url: string, ...more: string[]) => wasmPgDump(url, ['--schema-only', ...more]);
  const dataText = (url: string) => wasmPgDump(url, ['--data-only']);

  before(async () => {
    database = await server.createDatabase();
    await server.sql(database.name, schema);
    await server.sql(database.name, `insert into "odd.Schema"."a ""quoted"" one" (mood) values ('sad')`);
  });

  after(() => server.dropDatabase(database.name));

  it('prints the objects of a real server', async () => {
    const text = await schemaText(database.url);
    expect(text).to.include('CREATE TABLE "odd.Schema"."a ""quoted"" one"');
    expect(text).to.include('CREATE POLICY p ON public.part');
    expect(text).to.include(`Dumped from database version ${server.version}`);
    expect(text).not.to.match(/INSERT|restrict/);
  });

  it('prints the same twice', async () => {
    expect(await schemaText(database.url)).to.equal(await schemaText(database.url));
  });

  it('leaves out excluded objects', async () => {
    const text = await schemaText(database.url, '--exclude-schema="odd.Schema"');
    expect(text).not.to.include('odd.Schema');
    expect(text).to.include('CREATE VIEW public.seen');
  });

  it('prints rows as INSERTs, and sequence values', async () => {
    const text = await dataText(database.url);
    expect(text).to.include(
      `INSERT INTO "odd.Schema"."a ""quoted"" one" OVERRIDING SYSTEM VALUE VALUES (1, 'sad')`,
    );
    expect(text).to.match(/setval\(.*, 1, true\)/);
  });

  it('transfers long messages in both directions', async () => {
    const { name, url } = await server.createDatabase();
    await server.sql(
      name,
      `create table wide (${Array.from({ length: 900 }, (_, i) => `column_number_${i} text`)})`,
    );
    await server.sql(
      name,
      `insert into wide (column_number_0) select repeat('x', 100000) from generate_series(1, 30)`,
    );
    expect((await dataText(url)).split('\n').filter((line) => line.startsWith('INSERT'))).to.have.length(30);
    await server.dropDatabase(name);
  });

  it('opens a database whose name is a connection string', async () => {
    const { name, url } = await server.createDatabase("it's dbname=postgres");
    await server.sql(name, 'create table inside ()');
    expect(await schemaText(url)).to.include('CREATE TABLE public.inside');
    await server.dropDatabase(name);
  });

  it('fails with the message of pg_dump', async () => {
    const missing = await wasmPgDump(server.url('nowhere')).catch((error: Error) => error.message);
    expect(missing).to.include('database "nowhere" does not exist');
    const wrong = await wasmPgDump(database.url, ['--table=nothing']).catch((error: Error) => error.message);
    expect(wrong).to.include('no matching tables');
    const refused = await wasmPgDump('postgres://127.0.0.1:1/x').catch((error: Error) => error.message);
    expect(refused).to.include('ECONNREFUSED');
  });

  it('agrees with a native pg_dump', async function () {
    const native = await nativePgDump(database.url, ['--schema-only']);
    if (native === undefined) skip(this, `no pg_dump of ${server.major} or later is installed`);
    expect(statements(await schemaText(database.url))).to.deep.equal(statements(native));
  });
});
