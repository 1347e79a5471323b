import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { captureClosure, type Statement } from '../src/capture/capture.ts';
import { compareFacts } from '../src/capture/compare.ts';
import { readClosure } from '../src/catalog/closure.ts';
import { readRestored, replay } from '../src/down/replay.ts';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import { inSession, type Session } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { type Case, inCase, needs, needsCase, readCases } from './support/case-folders.ts';
import type { Runner } from './support/migrate.ts';
import { dropCascade, namesOf, oidsOf, predictAndDrop, undone, watch } from './support/oracle.ts';
import { wholeText } from './support/pg-dump.ts';
import type { TestDatabase } from './support/server.ts';
import { skip } from './support/skip.ts';
import { freshDatabase, useServer } from './support/use-database.ts';

const pagila = join(import.meta.dirname, '../../shared/schemas/pagila.sql');
const cases = readCases();

// One or two cases of each family, together about a hundred statements of all kinds.
const mixed = [
  'aggregates--kinds',
  'columns--attributes',
  'comments--everywhere',
  'constraints--inbound',
  'constraints--kinds',
  'foreign--tables',
  'grants--of-all-kinds',
  'indexes--kinds',
  'indexes--marks',
  'inheritance--parent-and-children',
  'partitions--parent-and-all',
  'policies--kinds',
  'publications--members',
  'rules--states',
  'sequences--renamed-identity',
  'statistics--kinds',
  'triggers--states',
  'typed--tables',
  'views--materialized',
  'views--on-views',
];

describe('oracles', () => {
  const server = useServer();
  let database: TestDatabase;
  let run: Runner;
  before(async () => {
    ({ database, run } = await freshDatabase(server, 'select'));
  });
  after(async () => {
    await run.end();
    await server.dropDatabase(database.name);
  });

  /**
   * Does work in a transaction that creates the schema and is rolled back, which is faster than creating a database.
   */
  const inUndone = async (schema: string, work: (session: Session) => Promise<void>): Promise<void> => {
    const transaction = await run.knex.transaction();
    try {
      // Knex reads a question mark as a placeholder.
      await transaction.raw(schema.replaceAll('?', '\\?'));
      await inSession(transaction, work);
    } finally {
      await transaction.rollback();
    }
  };

  describe('the closure is what the server reports as dropped', () => {
    for (const one of cases) {
      const { name, schema, tables } = one;
      it(name, async function () {
        await needsCase(this, server, one);
        await inUndone(`${schema};\n${watch}`, async (session) => {
          const { predicted, dropped } = await predictAndDrop(session, tables);
          expect(dropped).to.deep.equal(predicted);
          expect(predicted).not.to.have.length(0);
        });
      });
    }

    it('each table of pagila, and all of them', async function () {
      if (!existsSync(pagila)) {
        skip(this, `there is no ${pagila}`);
      }
      const schema = readFileSync(pagila, 'utf8').replace(/^\\.*$/gm, '');
      await inCase(server, `${schema};\n${watch}`, async ({ knex, rows }) => {
        const names = (await rows<{ name: string }>(pagilaTables)).map(({ name }) => name);
        expect(names).to.have.length(22);
        for (const tables of [...names.map((name) => [name]), names]) {
          await inSession(knex, async (session) => {
            const { predicted, dropped } = await undone(session, () => predictAndDrop(session, tables));
            expect(dropped, tables.join()).to.deep.equal(predicted);
          });
        }
      });
    });
  });

  describe('a statement that is left out is noticed by the replay or by the facts', () => {
    const caught = { replay: 0, facts: 0 };
    for (const one of choose(mixed)) {
      it(one.name, async function () {
        needs(this, server, one.from);
        await inUndone(one.schema, async (session) => {
          const missed: string[] = [];
          await leaveOneOut(session, one.tables, ({ sql }, by) => {
            if (by !== 'neither') caught[by] += 1;
            else if (!noOps.some(({ statement }) => statement.test(sql))) missed.push(sql);
          });
          expect(missed).to.deep.equal([]);
        });
      });
    }

    it('each of them notices more than 50 statements', () => {
      expect(caught.replay).to.be.above(50);
      expect(caught.facts).to.be.above(50);
    });
  });

  describe('a rehearsal changes nothing', () => {
    for (const { name, schema, tables, options, from } of choose(mixed)) {
      it(name, async function () {
        needs(this, server, from);
        let plain = '';
        await inCase(server, schema, async ({ knex }, { url }) => {
          await inSession(knex, (session) => dropCascade(session, tables));
          plain = await wholeText(url);
        });
        await inCase(server, schema, async (run, { url }) => {
          await quietly(() => run.up(reversibleDrop({ name, tables, ...options })));
          expect(await wholeText(url)).to.equal(plain);
        });
      });
    }
  });
});

function choose(names: readonly string[]): Case[] {
  const chosen = cases.filter(({ name }) => names.includes(name));
  if (chosen.length !== names.length) throw new Error('a chosen case does not exist');
  return chosen;
}

const pagilaTables = `select schemaname || '.' || tablename as name from pg_tables where schemaname = 'public' order by 1`;

/** Statements that have no effect in these cases, and why they are needed. */
const noOps = [
  {
    statement: /owner to postgres$/,
    why: 'objects belong to the role that restores unless the owner is set',
  },
  {
    statement: /^(do \$undrop\$|revoke all on )/,
    why: 'removes the effects of default privileges, of which there are none here',
  },
  {
    statement: /alter column \w+ (set (not null|storage \w+|compression default)|drop default)$/,
    why: 'all attributes of an inherited or typed column are set, even if they are the default',
  },
  {
    statement: /^alter table (only )?public\.p\w+ add constraint p_o_fkey FOREIGN KEY/,
    why: 'a partition gets its own key first, which the key of the parent then uses instead of a clone',
  },
];

/** Returns for each statement whether leaving it out is noticed. */
async function leaveOneOut(
  session: Session,
  names: readonly string[],
  report: (left: Statement, by: 'replay' | 'facts' | 'neither') => void,
): Promise<void> {
  const sql = await namesOf(session, names);
  const closure = await readClosure(session, await oidsOf(session, names));
  const { statements, facts } = await captureClosure(session, closure, { rows: 'refuse', storeOf: () => '' });
  await dropCascade(session, names);
  for (const [index, left] of statements.entries()) {
    const by = await undone(session, async () => {
      const others = statements.filter((_, position) => position !== index);
      const done = await replay(session, others, 'restore-failed').then(
        () => true,
        () => false,
      );
      if (!done) return 'replay';
      const restored = await readRestored(session, sql);
      const same =
        compareFacts(facts.own, restored.facts.own).length === 0 &&
        compareFacts(facts.survivors, restored.facts.survivors).length === 0;
      return same ? 'neither' : 'facts';
    });
    report(left, by);
  }
}
