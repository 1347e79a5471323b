import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { readEntries } from '../src/archive/entries.ts';
import { type DropOptions, planDrop, reversibleDrop } from '../src/index.ts';
import { migrationsIn } from '../src/migration/migrations.ts';
import { parseOptions } from '../src/options/options.ts';
import { preflight } from '../src/preflight/preflight.ts';
import { inReadOnlySession } from '../src/session/read-only.ts';
import { quietly } from '../src/text/log.ts';
import { refusal, refusalOf, said } from './support/migrate.ts';
import { wholeText } from './support/pg-dump.ts';
import { useDatabase, useServer } from './support/use-database.ts';

const tenants = ['tenant_1', 'tenant_2', 'Tenant.x'];

const schema = `
  ${tenants
    .map(
      (tenant) => `create schema "${tenant}";
        create table "${tenant}".runs (id int primary key, of text);
        create table "${tenant}".steps (run_id int references "${tenant}".runs);
        insert into "${tenant}".runs values (1, '${tenant}')`,
    )
    .join(';')};
  create schema other;
  create table other.runs ();
  create table runs ()`;

describe('tables named by their schemas', () => {
  const server = useServer();

  const { database, run } = useDatabase(server, schema);

  const ofPattern: DropOptions['tables'] = {
    schemas: '%enant%',
    tables: { runs: 'Unused since 2023.', steps: 'Of runs.' },
  };
  const ofFunction: DropOptions['tables'] = (name) =>
    /^tenant/i.test(name) ? { runs: 'Unused since 2023.', steps: 'Of runs.' } : null;

  const drop = (tables: DropOptions['tables'], more: Partial<DropOptions> = {}) =>
    reversibleDrop({ name: 'm', tables, rows: 'copy', ...more });

  const left = async () =>
    (
      await run.rows<{ name: string }>(
        `select schemaname || '.' || tablename as name from pg_tables
         where schemaname not in ('pg_catalog', 'information_schema', 'undrop') order by 1`,
      )
    ).map(({ name }) => name);

  for (const [words, tables] of [
    ['a pattern', ofPattern],
    ['a function', ofFunction],
  ] as const) {
    it(`${words}: are dropped and restored in each schema, with their reasons`, async () => {
      const before = await wholeText(database.url);
      const plan = await planDrop(run.knex, { name: 'm', tables });
      expect(plan.tables.map(({ table }) => table)).to.have.members([
        ...['"Tenant.x".runs', '"Tenant.x".steps', 'tenant_1.runs', 'tenant_1.steps'],
        ...['tenant_2.runs', 'tenant_2.steps'],
      ]);
      for (let turn = 0; turn < 2; turn++) {
        await quietly(() => run.up(drop(tables)));
        expect(await left()).to.deep.equal(['other.runs', 'public.runs']);
        // A second run does nothing.
        expect(await said(() => run.up(drop(tables)))).to.include('nothing to do');
        const entries = await inReadOnlySession(run.knex, readEntries);
        expect(entries.at(-1)?.tables[0]).to.include({ reason: 'Unused since 2023.' });
        await quietly(() => run.down(drop(tables)));
        expect(await wholeText(database.url)).to.equal(before);
      }
    });

    it(`${words}: down restores what was dropped, whatever schemas there are by then`, async () => {
      await quietly(() => run.up(drop(tables)));
      await run.knex.raw(
        'create schema tenant_3; create table tenant_3.runs (); create table tenant_3.steps ()',
      );
      const error = await refusalOf(run.up(drop(tables)), 'name-taken');
      expect(error.message).to.include('tenant_3.runs');
      await quietly(() => run.down(drop(tables)));
      expect(await left()).to.include.members(['tenant_1.runs', 'tenant_3.runs']);
    });

    it(`${words}: a schema that is gone is reported by name`, async () => {
      await quietly(() => run.up(drop(tables)));
      await run.knex.raw('drop schema tenant_2');
      const error = await refusalOf(run.down(drop(tables)), 'prerequisite-gone');
      expect(error.toString()).to.include('tenant_2');
    });
  }

  it('preflight predicts what up would do, and a refusal', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'undrop-fleets-'));
    const index = pathToFileURL(join(import.meta.dirname, '../src/index.ts')).href;
    const write = (name: string, schemas: string) =>
      writeFileSync(
        join(folder, `${name}.mjs`),
        `import { reversibleDrop } from ${JSON.stringify(index)};
         const tables = { schemas: ${JSON.stringify(schemas)}, tables: ['steps'] };
         export const { up, down } = reversibleDrop({ name: '${name}', tables });`,
      );
    try {
      write('001_drop', 'tenant_%');
      write('002_drop', 'customer_%');
      const { migrations } = await inReadOnlySession(run.knex, (session) =>
        preflight(session, migrationsIn(folder)),
      );
      expect(migrations.map(({ state, tables }) => [state, tables.map(({ table }) => table)])).to.deep.equal([
        ['goes', ['tenant_1.steps', 'tenant_2.steps']],
        ['refused', []],
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('are refused where a schema lacks one, or skipped', async () => {
    await run.knex.raw('drop table tenant_2.steps');
    const error = await refusalOf(run.up(drop(ofPattern)), 'missing-table');
    expect(error.subject).to.equal('tenant_2.steps');
    expect(await said(() => run.up(drop(ofPattern, { missing: 'skip' })))).to.include(
      'tenant_2.steps does not exist; skipped',
    );
    await quietly(() => run.down(drop(ofPattern, { missing: 'skip' })));
  });

  it('are refused where no schema matches, or skipped', async () => {
    const none: DropOptions['tables'] = { schemas: 'customer_%', tables: ['runs'] };
    const error = await refusalOf(run.up(drop(none)), 'missing-table');
    expect(error.message).to.include('customer_%.runs');
    await quietly(() => run.up(drop(none, { missing: 'skip' })));
    await quietly(() => run.down(drop(none, { missing: 'skip' })));
  });

  it('refuse options that are for named tables, and other mistakes', async () => {
    const problems = async (given: unknown) =>
      (await refusal((async () => parseOptions(given as DropOptions, {}))())).reason;
    expect(
      await problems({ name: 'm', tables: ofPattern, approval: 'each-table', schemaComment: 'x' }),
    ).to.equal(
      'schemaComment requires tables of one schema\napproval each-table requires the names of the tables',
    );
    expect(await problems({ name: 'm', tables: { schemas: '', tables: ['a.b'], more: 1 } })).to.equal(
      'tables contains more beside schemas and tables; it takes only these two\n' +
        'schemas is "", not a pattern such as tenant_%\ntables names a.b with a schema, beside schemas',
    );
    // A table that has this name.
    expect(parseOptions({ name: 'm', tables: { schemas: 'a', tables: 'b' } }, {}).tables).to.have.lengthOf(2);
    const wrong = drop(() => ['other.runs']);
    expect((await refusalOf(run.up(wrong), 'bad-options')).reason).to.include(
      'names other.runs with a schema',
    );
  });
});
