import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import createKnex, { type Knex } from 'knex';
import { UndropError } from '../src/errors.ts';
import { undropConfig } from '../src/migration/knex-config.ts';
import { planDrop } from '../src/migration/plan-drop.ts';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import { refusalOf, said } from './support/migrate.ts';
import { packageUrl } from './support/small-project.ts';
import { useDatabase, useServer } from './support/use-database.ts';

const drop = { name: 'drop_runs', tables: ['runs'] };

describe('what Knex tells a migration', () => {
  const server = useServer();
  let folder: string;

  const { database } = useDatabase(server, 'create table runs (id int)');

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-told-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  async function withKnex<T>(config: Partial<Knex.Config>, work: (knex: Knex) => Promise<T>): Promise<T> {
    const knex = createKnex({ client: 'pg', connection: database.url, ...config });
    return work(knex).finally(() => knex.destroy());
  }

  const names = () =>
    server
      .sql<{ migration: string }>(database.name, 'select migration from undrop.drops order by id')
      .then((rows) => rows.map(({ migration }) => migration));

  describe('its name', () => {
    const write = (file: string, options: object) =>
      writeFileSync(
        join(folder, file),
        `import { reversibleDrop } from ${JSON.stringify(packageUrl)};
         export const { up, down, ready } = reversibleDrop(${JSON.stringify(options)});`,
      );

    it('is optional with undropConfig, and a given one is kept', async () => {
      await server.sql(database.name, 'create table kept (id int)');
      write('001_one.mjs', { tables: ['runs'] });
      write('002_two.mjs', { name: 'given', tables: ['kept'] });
      const config = undropConfig({ root: folder, migrations: '.', connection: database.url });
      await withKnex(config, async (knex) => {
        await knex.migrate.latest();
        expect(await names()).to.deep.equal(['001_one', 'given']);
        await knex.migrate.rollback();
        expect(await knex.schema.hasTable('runs')).to.equal(true);
      });
    });

    it('is required otherwise, and nothing is changed without it', async () => {
      const migration = reversibleDrop({ tables: ['runs'] });
      await withKnex({}, async (knex) => {
        const plan = () => planDrop(knex, { tables: ['runs'] });
        for (const run of [() => migration.up(knex), () => migration.down(knex), plan]) {
          const error = await refusalOf(run(), 'bad-options');
          expect(error.reason).to.include('without undropConfig it is required');
        }
        expect(await knex.schema.hasTable('runs')).to.equal(true);
      });
    });

    it('is not needed to find the other mistakes at once', () => {
      expect(() => reversibleDrop({ tables: [] }))
        .to.throw(UndropError)
        .with.property('reason', 'tables names no table');
      for (const name of ['', ' ', 1 as never])
        expect(() => reversibleDrop({ ...drop, name }))
          .to.throw(UndropError)
          .with.property('reason')
          .that.includes('name');
    });
  });

  it('is missing if up, down or planDrop gets no connection', async () => {
    const { up, down } = reversibleDrop(drop);
    for (const given of [undefined, null, {}, 'postgres://localhost'] as never[])
      for (const run of [() => up(given), () => down(given), () => planDrop(given, drop)]) {
        const error = await refusalOf(run(), 'bad-options');
        expect(error.message).to.equal('No Knex connection was passed.');
        expect(error.next).to.include('up(knex)');
      }
  });

  describe('where it logs', () => {
    const { up, down } = reversibleDrop(drop);
    const dropped = /^drop_runs: 1 table dropped, /;

    async function linesOf(log: object): Promise<{ lines: string[]; stderr: string }> {
      const lines: string[] = [];
      const add = (line: string) => lines.push(line);
      const functions = Object.fromEntries(Object.keys(log).map((name) => [name, add]));
      const stderr = await said(() =>
        withKnex({ log: functions }, async (knex) => {
          await up(knex);
          await down(knex);
        }),
      );
      return { lines, stderr };
    }

    it('is stderr without a logger, or one for warnings only', async () => {
      for (const log of [{}, { warn: 1, error: 1 }]) {
        const { lines, stderr } = await linesOf(log);
        expect(lines).to.deep.equal([]);
        expect(stderr).to.match(dropped);
      }
    });

    it('is the debug function of the configuration, or its info function', async () => {
      for (const log of [{ warn: 1, debug: 1 }, { info: 1 }]) {
        const { lines, stderr } = await linesOf(log);
        expect(stderr).to.equal('');
        expect(lines).to.have.length(2);
        expect(lines[0]).to.match(dropped);
      }
    });

    it('is a method that may use its logger, and may do nothing', async () => {
      class Logger {
        readonly lines: string[] = [];
        info(line: string): void {
          this.lines.push(line);
        }
        debug(): void {
          throw new Error('not called');
        }
      }
      const log = new Logger();
      await withKnex({ log: log as Knex.Logger }, up);
      expect(log.lines).to.have.length(1);
      const silent = await said(() => withKnex({ log: { debug: () => undefined } }, down));
      expect(silent).to.equal('');
    });
  });

  it('may come from another copy of the package, whose errors are the same', async () => {
    const other: typeof import('../src/index.ts') = await import(packageUrl);
    expect(other.UndropError).not.to.equal(UndropError);
    await withKnex({}, async (knex) => {
      const error = await other
        .reversibleDrop({ name: 'm', tables: ['gone'] })
        .up(knex)
        .catch((thrown: unknown) => thrown);
      expect(error).to.be.instanceOf(UndropError).and.instanceOf(other.UndropError);
      expect(new Error('other')).not.to.be.instanceOf(UndropError);
    });
  });
});
