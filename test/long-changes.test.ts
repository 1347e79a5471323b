import { expect } from 'chai';
import knexFactory, { type Knex } from 'knex';
import { isUndropError } from '../src/errors.ts';
import { reversibleDrop } from '../src/index.ts';
import { readSettings } from '../src/knex/settings.ts';
import { dumpedStatements } from '../src/roundtrip/dump.ts';
import { compareWitnesses, readWitness, type Witness } from '../src/roundtrip/witness.ts';
import { quietly } from '../src/text/log.ts';
import { withEnvironment } from './support/migrate.ts';
import { wholeText } from './support/pg-dump.ts';
import { type FaultProxy, startProxy } from './support/proxy.ts';
import { rolePrefix } from './support/role-prefix.ts';
import type { TestDatabase } from './support/server.ts';
import { useServer } from './support/use-database.ts';

const schema = `
  create table kept (id int primary key, note text);
  create table gone (id serial primary key, kept int references kept, note text default 'x', check (id > 0));
  create index gone_note on gone (note);
  create table child (id int primary key, gone int references gone);
  create view seen as select id, note from gone;
  create function about(gone) returns text language sql as $$ select 'first' $$;
  create function touch() returns trigger language plpgsql as 'begin return new; end';
  create trigger touch before insert on gone for each row execute function touch();
  create policy mine on gone using (id > 1);
  comment on column gone.note is 'first';
  grant select, delete on gone to ${rolePrefix}_other;`;
const data = `
  insert into kept select generate_series(1, 3);
  insert into gone (kept) select generate_series(1, 3);
  insert into child values (1, 2);`;

/** The changes that the other session commits. */
const changes: Readonly<Record<string, string>> = {
  'a grant on a table': `grant update on gone to ${rolePrefix}_other`,
  'a grant on a column': `grant insert (note) on gone to ${rolePrefix}_other with grant option`,
  'a revoke': `revoke select on gone from ${rolePrefix}_other`,
  'an index with another name': 'alter index gone_note rename to gone_by_note',
  'a comment on a table': `comment on table gone is 'second'`,
  'a comment on a column': `comment on column gone.note is 'second'`,
  'a removed comment': 'comment on column gone.note is null',
  'another default': `alter table gone alter note set default 'y'`,
  'another owner of a table': `alter table gone owner to ${rolePrefix}_other`,
  'another name of a table': 'alter table gone rename to left_over',
  'another row': `insert into gone values (7, null, 'seventh')`,
  'another body of a function': `create or replace function about(gone) returns text language sql as $$ select 'second' $$`,
  'another name of a function': 'alter function about(gone) rename to told',
  'another owner of a function': `alter function about(gone) owner to ${rolePrefix}_other`,
  'another owner of a view': `alter view seen owner to ${rolePrefix}_other`,
  'a grant on a view': `grant select (note) on seen to ${rolePrefix}_other`,
  'a grant on a survivor': `grant references on kept to ${rolePrefix}_other`,
  'other default privileges': `alter default privileges grant all on tables to ${rolePrefix}_other;
    alter default privileges grant all on sequences to ${rolePrefix}_other;
    alter default privileges revoke execute on functions from public`,
};
const kinds = Object.keys(changes);

/** Changes that are a reason to refuse a drop, whenever they are made. */
const reasons: Readonly<Record<string, string>> = {
  'another name of a table': 'missing-table',
  'another row': 'not-empty',
};

/** The change waits for a lock of the drop, or its object no longer exists. */
const refused = new Set(['55P03', '42P01', '42703', '42704', '42883']);

/** The phases of `up`, as pg_stat_activity shows them, and the times before and after. */
const stages = ['begin', 'gate', 'lock', 'capture', 'drop', 'rehearse', 'end'] as const;
type Stage = (typeof stages)[number];

/**
 * UNDROP_CHANGES=all makes a change at each statement. By default at every sixth, beginning with a random one, so that
 * several runs reach all of them.
 */
const every = process.env.UNDROP_CHANGES === 'all' ? 1 : 6;

interface Point {
  readonly statement: number;
  readonly when: 'before' | 'after';
}

describe('a change that another session commits between any two statements', function () {
  this.timeout(1_800_000);
  const server = useServer();
  let proxy: FaultProxy;
  const counts = new Map<string, number>();
  const count = (what: string) => counts.set(what, (counts.get(what) ?? 0) + 1);
  /** The number of changes made in each phase; they take turns. */
  const turns = new Map<Stage, number>(stages.map((stage) => [stage, 0]));

  before(async () => {
    proxy = await startProxy(server.config('postgres'));
    await server.sql('postgres', `create role ${rolePrefix}_other`);
  });

  after(async () => {
    await proxy.stop();
    await server.sql('postgres', `drop role ${rolePrefix}_other`);
    for (const [what, number] of counts) console.log(`      ${what}: ${number}`);
  });

  function nextFor(stage: Stage): string {
    const turn = turns.get(stage) ?? 0;
    turns.set(stage, turn + 1);
    return kinds[turn % kinds.length] as string;
  }

  async function stateOf({ url }: TestDatabase): Promise<Witness> {
    const knex = knexFactory({ client: 'pg', connection: url, pool: { min: 0, max: 1 } });
    const copy = { knex, settings: readSettings({ DATABASE_URL: url }), drop: async () => undefined };
    try {
      return await readWitness(copy, async () => dumpedStatements(await wholeText(url)));
    } finally {
      await knex.destroy();
    }
  }

  function through({ url }: TestDatabase): Knex {
    const changed = new URL(url);
    changed.port = String(proxy.port);
    return knexFactory({ client: 'pg', connection: String(changed), pool: { min: 0, max: 1 } });
  }

  /** Returns whether the change was committed: it does not wait long for locks of the drop. */
  async function change(database: string, kind: string): Promise<boolean> {
    try {
      await server.sql(database, `set lock_timeout = '100ms'; begin; ${changes[kind]}; commit`);
      return true;
    } catch (error) {
      if (refused.has((error as { code?: string }).code ?? '')) return false;
      throw error;
    }
  }

  async function stageOf(database: string): Promise<Stage | undefined> {
    const [found] = await server.sql<{ stage: Stage }>(
      database,
      `select substr(application_name, length('knex-undrop: x')) as stage from pg_stat_activity
      where datname = current_database() and application_name like 'knex-undrop: %'`,
    );
    return found?.stage;
  }

  for (const rows of ['refuse', 'copy', 'move'] as const) {
    describe(`of an up with rows: '${rows}'`, () => {
      const migration = reversibleDrop({ name: 'm', tables: ['gone'], dependents: 'cascade', rows });
      const controls = new Map<string | undefined, Promise<Witness>>();
      let template: string;
      let statements: number;
      /** The phase before each statement, undefined before the first and after the last phase. */
      const phases: (Stage | undefined)[] = [];

      before(async () => {
        ({ name: template } = await server.createDatabase());
        await server.sql(template, rows === 'refuse' ? schema : schema + data);
        await inCopy(async (database) => {
          const knex = through(database);
          proxy.arm({
            statement: 'every',
            when: 'before',
            fault: async () => {
              const index = proxy.statements() - 1;
              phases[index] = await stageOf(database.name);
            },
          });
          await quietly(() => migration.up(knex));
          statements = proxy.statements();
          await knex.destroy();
        });
      });

      after(() => server.dropDatabase(template));

      async function inCopy<T>(work: (database: TestDatabase) => Promise<T>): Promise<T> {
        const database = await server.createDatabase(undefined, { template });
        try {
          return await work(database);
        } finally {
          await server.dropDatabase(database.name);
        }
      }

      /** The state without a drop, with a change or without. */
      function control(kind: string | undefined): Promise<Witness> {
        const make = () =>
          inCopy(async (database) => {
            // Without a drop there is nothing to wait for long.
            if (kind !== undefined) await server.sql(database.name, changes[kind] ?? '');
            return stateOf(database);
          });
        const state = controls.get(kind) ?? make();
        controls.set(kind, state);
        return state;
      }

      const allows = (kind: string, code: string) =>
        code === 'done' || (code === reasons[kind] && !(code === 'not-empty' && rows !== 'refuse'));

      /**
       * A moved table is the same table: a change that was committed after the last check is in it, and `down` shows it as a
       * difference, which a person may accept.
       */
      async function restore(knex: Knex, isCommitted: boolean): Promise<void> {
        try {
          await quietly(() => migration.down(knex));
        } catch (error) {
          const { next = '' } = isUndropError(error) && error.code === 'restore-differs' ? error : {};
          const [, digest] = /UNDROP_ACCEPT_DIFFERENCES=(\w+)/.exec(next) ?? [];
          if (rows !== 'move' || !isCommitted || digest === undefined) throw error;
          count(`rows: '${rows}': changed in the archive`);
          await withEnvironment({ UNDROP_ACCEPT_DIFFERENCES: digest }, () =>
            quietly(() => migration.down(knex)),
          );
        }
      }

      const phaseOf = ({ statement }: Point, phase: Stage | undefined): Stage =>
        phase ?? (statement > statements / 2 ? 'end' : 'begin');

      async function strike(database: TestDatabase, point: Point): Promise<void> {
        let struck: { stage: Stage; kind: string; isCommitted: boolean } | undefined;
        let failure: unknown;
        const act = async () => {
          const stage = phaseOf(point, await stageOf(database.name));
          const kind = nextFor(stage);
          struck = { stage, kind, isCommitted: await change(database.name, kind) };
        };
        proxy.arm({
          ...point,
          fault: () =>
            act().catch((error: unknown) => {
              failure = error;
            }),
        });
        const knex = through(database);
        try {
          const code = await quietly(() => migration.up(knex)).then(
            () => 'done',
            (error: unknown) => (isUndropError(error) ? `${error.code}: ${error.reason}` : String(error)),
          );
          proxy.arm();
          expect(failure).to.equal(undefined);
          // Sometimes up needs one statement less.
          if (struck === undefined) return;
          const { stage, kind, isCommitted } = struck;
          const about = `${point.when} statement ${point.statement} of ${statements}, at ${stage}: ${kind}, ${isCommitted ? 'committed' : 'refused'}, up: ${code}`;
          const outcome = code.replace(/:.*/s, '');
          expect(isCommitted ? allows(kind, outcome) : outcome === 'done', about).to.equal(true);
          if (outcome === 'done') await restore(knex, isCommitted);
          const is = await stateOf(database);
          const { differences } = compareWitnesses(await control(isCommitted ? kind : undefined), is);
          expect(differences, about).to.deep.equal([]);
          const archive = `select from pg_namespace where nspname = 'undrop'`;
          expect(await server.sql(database.name, archive), about).to.have.length(outcome === 'done' ? 1 : 0);
          count(`rows: '${rows}', at ${stage}: ${isCommitted ? 'committed' : 'refused'}, up: ${outcome}`);
        } finally {
          await knex.destroy();
        }
      }

      it('is part of what down restores', async () => {
        // To the server, the time after a statement is the time before the next one.
        const all: Point[] = [
          ...Array.from({ length: statements }, (_, index) => ({
            statement: index + 1,
            when: 'before' as const,
          })),
          { statement: statements, when: 'after' },
        ];
        const first = Math.floor(Math.random() * every);
        for (const point of all.filter((_, index) => index % every === first))
          await inCopy((database) => strike(database, point));
        if (rows === 'refuse') return;
        // The remaining kinds of changes, in each phase.
        for (const stage of stages) {
          const points = all.filter((point) => phaseOf(point, phases[point.statement - 1]) === stage);
          expect(points, stage).not.to.deep.equal([]);
          for (let next = 0; (turns.get(stage) ?? 0) < kinds.length; next++) {
            expect(next).to.be.lessThan(10 * kinds.length);
            await inCopy((database) => strike(database, points[next % points.length] as Point));
          }
        }
      });
    });
  }
});
