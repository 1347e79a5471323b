import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { reversibleDrop } from '../src/index.ts';
import { archivedDdl, liveDdl } from '../src/script/ddl.ts';
import { writeDdl } from '../src/script/ddl-file.ts';
import { exportArchive } from '../src/script/export-archive.ts';
import { restoreDdl } from '../src/script/replay.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { inSession } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { expectSame, look } from './support/judges.ts';
import { type Runner, refusalOf, said } from './support/migrate.ts';
import type { TestDatabase } from './support/server.ts';
import { freshDatabase, useServer } from './support/use-database.ts';

// With statements that contain names in a DO block: names of clones of foreign keys, and states of their triggers.
const names = [
  'with spaces',
  `"quoted" 'twice'`,
  '$undrop$; drop table canary; $undrop$',
  '$undrop',
  'undrop$',
  '$$ %s %1$I \\ :x',
  'two\nlines',
];
const quote = (name: string) => `"${name.replaceAll('"', '""')}"`;

function schemaOf(name: string): string {
  const q = (suffix: string) => quote(`${name}${suffix}`);
  return `
    create table canary (id int);
    create schema ${q('')};
    set search_path = ${q('')}, public;
    create type ${q(' mood')} as enum (${`'${name.replaceAll("'", "''")}'`});
    create table ${q('')} (${q('')} int primary key, mood ${q(' mood')}, list ${q(' mood')}[]) partition by range (${q('')});
    create table ${q('1')} partition of ${q('')} for values from (1) to (10);
    create table ${q('2')} partition of ${q('')} for values from (10) to (20);
    create table ${q('r')} (${q('')} int constraint ${q('key')} references ${q('')} on delete cascade, note text default ${`'${name.replaceAll("'", "''")}'`});
    alter table ${q('r')} disable trigger all;
    create materialized view ${q('m')} as select ${q('')} as ${q('')} from ${q('r')};
    create function ${q('f')}(${q('')}) returns int language sql as 'select 1';
    create policy ${q('p')} on ${q('r')} using (note <> '');
    create statistics ${q('s')} on ${q('')}, note from ${q('r')};
    create rule ${q('u')} as on delete to ${q('r')} do instead nothing;
    comment on column ${q('r')}.${q('')} is ${`'${name.replaceAll("'", "''")}'`};
    alter default privileges in schema ${q('')} grant select on tables to public;
    insert into ${q('')} values (1), (11);
    insert into ${q('r')} values (1), (11);
    refresh materialized view ${q('m')}`;
}

describe('strange names', () => {
  const server = useServer();
  let database: TestDatabase;
  let run: Runner;
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-names-'));
  });

  afterEach(async () => {
    await run?.end();
    await server.dropDatabase(database.name);
    rmSync(folder, { recursive: true });
  });

  for (const name of names) {
    it(`are restored by a rollback, by DDL and by an export: ${JSON.stringify(name)}`, async () => {
      ({ database, run } = await freshDatabase(server, schemaOf(name)));
      const tables = [name, `${name}r`].map((table) => `${quote(name)}.${quote(table)}`);
      const drop = (more: object) => reversibleDrop({ name: 'm', tables, ...more });
      const all = drop({ dependents: 'cascade', rows: 'copy' });
      const before = await look(database);

      const refused = await refusalOf(run.up(drop({ rows: 'copy' })), 'has-dependents');
      expect(
        refused
          .toString()
          .split('\n')
          .filter((line) => !/^(has-dependents| {2}why| {2}next| {8})/.test(line)),
      ).to.deep.equal([]);

      const up = async () => {
        const lines = await said(() => run.up(all));
        expect(lines.trim().split('\n')).to.have.length(1);
      };
      const live = await inReadOnlySession(run.knex, (session) => quietly(() => liveDdl(session, tables)));
      await up();
      const archived = await inReadOnlySession(run.knex, (session) =>
        quietly(() => archivedDdl(session, { migration: 'm' })),
      );
      expect(archived.statements.map(({ sql }) => sql)).to.deep.equal(live.statements.map(({ sql }) => sql));
      const [exported] = await inReadOnlySession(run.knex, (session) => exportArchive(session, folder, {}));
      await quietly(() => run.down(all));
      expectSame(before, await look(database));

      await up();
      await quietly(() => inSession(run.knex, (session) => restoreDdl(session, exported?.file ?? '')));
      expectSame(before, await look(database));

      const file = await writeDdl(live, join(folder, 'ddl'), false);
      await run.knex.raw(`drop table ${tables.join(', ')} cascade`);
      await quietly(() => inSession(run.knex, (session) => restoreDdl(session, file)));
      await run.knex.raw(`
        insert into ${tables[0]} values (1), (11);
        insert into ${tables[1]} values (1), (11);
        refresh materialized view ${quote(name)}.${quote(`${name}m`)}`);
      expectSame(before, await look(database));
      expect(await run.rows('select from canary')).to.have.length(0);
    });
  }
});
