import { expect } from 'chai';
import type { Knex } from 'knex';
import { reversibleDrop } from '../src/index.ts';
import { refusalOf } from './support/migrate.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('deferred constraints of a transaction', () => {
  const server = useServer();

  // `note_down` records the settings that it runs under, in a table that is found only along the user's search path.
  const { run } = useDatabase(
    server,
    `create schema app;
      create table app.log (id serial, line text);
      create function app.note_down() returns trigger language plpgsql as $$
        begin
          if new.id < 0 then raise 'no % in %', new.id, tg_table_name using detail = 'It is negative.'; end if;
          insert into log (line) values (concat_ws(' ', tg_table_name, new.id, current_setting('timezone'),
            current_setting('datestyle'), current_setting('search_path')));
          return null;
        end $$;
      create table app.kept (id int primary key, sort int);
      create table app.gone (id int primary key, kept int references app.kept);
      create table app.other (id int primary key, kept int);
      create constraint trigger gone_noted after insert on app.gone deferrable initially deferred
        for each row execute function app.note_down();
      create constraint trigger kept_noted after insert on app.kept deferrable initially deferred
        for each row execute function app.note_down();
      create constraint trigger other_noted after insert on app.other deferrable initially deferred
        for each row execute function app.note_down();
      alter table app.other add foreign key (kept) references app.kept deferrable initially deferred;`,
  );

  const migration = (more = {}) =>
    reversibleDrop({ name: 'm', tables: ['app.gone'], rows: 'copy', dependents: 'cascade', ...more });

  const settings = `set local timezone = 'Asia/Kathmandu'; set local datestyle = 'German'; set local search_path = app`;
  const found = 'Asia/Kathmandu German, DMY app';

  /** Runs work in a transaction of the application, with its own settings. */
  const transaction = (work: (given: Knex) => Promise<unknown>) =>
    run.knex.transaction(async (given) => {
      await given.raw(settings);
      await work(given);
    });

  const lines = async (given: Knex = run.knex): Promise<string[]> =>
    (await given.raw('select line from app.log order by id')).rows.map(({ line }: { line: string }) => line);

  const isThere = async () =>
    (await run.rows<{ there: boolean }>(`select to_regclass('app.gone') is not null as there`))[0]?.there;

  it('of the dropped tables are checked before the drop, as by the commit', async () => {
    await transaction(async (given) => {
      await given.raw('insert into app.gone values (1)');
      await migration().up(given);
      expect(await lines(given)).to.deep.equal([`gone 1 ${found}`]);
    });
    await run.down(migration());
    expect(await run.rows('select id from app.gone')).to.deep.equal([{ id: 1 }]);
  });

  it('of other tables stay deferred until the commit', async () => {
    await transaction(async (given) => {
      await given.raw('insert into app.other values (1, 7)');
      await migration().up(given);
      expect(await lines(given)).to.deep.equal([]);
      // The key is still deferred.
      await given.raw('insert into app.other values (2, 8); insert into app.kept values (7), (8)');
    });
    expect(await lines()).to.deep.equal(
      ['other 1', 'other 2', 'kept 7', 'kept 8'].map((what) => `${what} ${found}`),
    );
  });

  it('of survivors are checked before the drop, and deferred again', async () => {
    await transaction(async (given) => {
      await given.raw('insert into app.kept values (1); insert into app.other values (1, 1)');
      await migration().up(given);
      expect(await lines(given)).to.deep.equal([`kept 1 ${found}`]);
      await given.raw('insert into app.kept values (2); insert into app.other values (3, 3)');
      expect(await lines(given)).to.have.length(1);
      await given.raw('insert into app.kept values (3)');
    });
    expect(await lines()).to.have.length(5);
  });

  it('of tables that a restore alters are checked before the restore, and deferred again', async () => {
    await run.knex.raw(`
      create table app.numbers (id serial);
      alter table app.kept alter sort set default nextval('app.numbers_id_seq')`);
    const numbers = migration({ tables: ['app.numbers'] });
    await run.up(numbers);
    await transaction(async (given) => {
      await given.raw('insert into app.kept values (1)');
      await numbers.down(given);
      expect(await lines(given)).to.deep.equal([`kept 1 ${found}`]);
      await given.raw('insert into app.kept values (2)');
      expect(await lines(given)).to.have.length(1);
    });
    expect(await run.rows('select sort from app.kept where id = 2')).to.deep.equal([{ sort: 1 }]);
  });

  it('do not prevent a drop under forced row-level security', async () => {
    await run.knex.raw('alter table app.gone enable row level security, force row level security');
    await transaction(async (given) => {
      await given.raw('insert into app.gone values (1)');
      await migration().up(given);
    });
    await run.down(migration());
    expect(await run.rows('select id from app.gone')).to.deep.equal([{ id: 1 }]);
  });

  it('are checked where others are deferred by SET CONSTRAINTS', async () => {
    await run.knex.raw('alter table app.gone alter constraint gone_kept_fkey deferrable initially immediate');
    await transaction(async (given) => {
      await given.raw(
        'set constraints all deferred; insert into app.gone values (1, 1); insert into app.kept values (1)',
      );
      await migration().up(given);
    });
    await run.down(migration());
    expect(await run.rows('select kept from app.gone')).to.deep.equal([{ kept: 1 }]);
  });

  it('are named where a trigger fails, with its message', async () => {
    const failing = transaction(async (given) => {
      await given.raw('insert into app.gone values (-1)');
      await migration().up(given);
    });
    const error = await refusalOf(failing, 'server-error');
    expect(error.message).to.match(/deferred constraint or trigger failed.*app\.gone_noted/);
    expect(error.reason).to.match(
      /^no -1 in gone\nIt is negative\.\nPL\/pgSQL function (app\.)?note_down\(\) line/,
    );
    expect(await isThere()).to.equal(true);
  });

  it('are named where a key is violated, with the detail', async () => {
    await run.knex.raw('alter table app.gone alter constraint gone_kept_fkey deferrable initially deferred');
    const failing = transaction(async (given) => {
      await given.raw('insert into app.gone values (1, 1)');
      await migration().up(given);
    });
    const error = await refusalOf(failing, 'server-error');
    expect(error.subject).to.equal('gone_kept_fkey of gone');
    expect(error.reason).to.include('Key (kept)=(1) is not present in table "kept".');
    expect(await isThere()).to.equal(true);
  });

  it('of another table with the same name stay deferred', async () => {
    await run.knex.raw(`
      create table app.third (id int);
      create constraint trigger gone_noted after insert on app.third deferrable initially deferred
        for each row execute function app.note_down()`);
    const refused = transaction(async (given) => {
      await given.raw('insert into app.third values (1); insert into app.gone values (1)');
      await migration()
        .up(given)
        .finally(async () => expect(await lines(given)).to.deep.equal([]));
    });
    const error = await refusalOf(refused, 'server-error');
    expect(error).to.include({ subject: 'app.gone' });
    expect(error.next).to.include('knex migrate:up');
    expect(await isThere()).to.equal(true);
    // Without deferred checks, it does not matter.
    await transaction((given) => migration().up(given));
  });

  it('leave the settings unchanged', async () => {
    await transaction(async (given) => {
      await given.raw('insert into app.gone values (1)');
      await migration().up(given);
      const { rows } = await given.raw(`select concat_ws(' ', current_setting('timezone'),
        current_setting('datestyle'), current_setting('search_path')) as now`);
      expect(rows).to.deep.equal([{ now: found }]);
    });
  });
});
