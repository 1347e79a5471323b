import { expect } from 'chai';
import { captureClosure } from '../src/capture/capture.ts';
import { compareFacts } from '../src/capture/compare.ts';
import { readClosure } from '../src/catalog/closure.ts';
import { readSequenceStates } from '../src/catalog/sequence-states.ts';
import { readRestored, replay } from '../src/down/replay.ts';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import { inSession } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { inCase } from './support/case-folders.ts';
import { dropCascade, namesOf, oidsOf } from './support/oracle.ts';
import { testServer } from './support/server.ts';

const schema = `
  create table t (id serial, number int generated always as identity (increment 5));
  create table u (id int);
  create sequence unused owned by u.id;
  insert into t default values;
  select nextval('t_id_seq'), nextval('t_id_seq');
  delete from t`;

describe('states of sequences', () => {
  const states = [
    { identity: 'sequence public.t_id_seq', columns: { last_value: '3', is_called: 'true' } },
    { identity: 'sequence public.t_number_seq', columns: { last_value: '1', is_called: 'true' } },
    { identity: 'sequence public.unused', columns: { last_value: '1', is_called: 'false' } },
  ];

  it('are restored', async () => {
    await inCase(await testServer(), schema, async (run) => {
      const migration = reversibleDrop({ name: 'm', tables: ['t', 'u'] });
      await quietly(() => run.up(migration));
      await quietly(() => run.down(migration));
      const next = `select nextval('t_id_seq')::int as id, nextval('t_number_seq')::int as number, nextval('unused')::int as unused`;
      expect(await run.rows(next)).to.deep.equal([{ id: 4, number: 6, unused: 1 }]);
    });
  });

  it('are read in the order of their names, of as many sequences as there are', async () => {
    await inCase(await testServer(), schema, async ({ knex }) => {
      await inSession(knex, async (session) => {
        expect(await readSequenceStates(session, [])).to.deep.equal([]);
        const names = [...Array(450).fill('public.unused'), 'public.t_id_seq'];
        const found = await readSequenceStates(session, names);
        expect(found).to.have.length(names.length);
        expect(found.slice(-2)).to.deep.equal([
          { place: 49, value: '1', called: false },
          { place: 50, value: '3', called: true },
        ]);
      });
    });
  });

  it('are facts, so that a restore with another state differs', async () => {
    await inCase(await testServer(), schema, async ({ knex }) => {
      await inSession(knex, async (session) => {
        const names = ['t', 'u'];
        const sql = await namesOf(session, names);
        const closure = await readClosure(session, await oidsOf(session, names));
        const { statements, facts } = await captureClosure(session, closure, {
          rows: 'refuse',
          storeOf: () => '',
        });
        const found = facts.own.filter(({ catalog }) => catalog === 'sequence state');
        expect(found.map(({ identity, columns }) => ({ identity, columns }))).to.have.deep.members(states);
        await dropCascade(session, names);
        const others = statements.filter((statement) => !/setval.*t_id_seq/.test(statement.sql));
        expect(others).to.have.length(statements.length - 1);
        await replay(session, others, 'restore-failed');
        const restored = await readRestored(session, sql);
        const about = { object: 'sequence public.t_id_seq', catalog: 'sequence state' };
        expect(compareFacts(facts.own, restored.facts.own)).to.deep.equal([
          { ...about, column: 'last_value', before: '3', after: '1' },
          { ...about, column: 'is_called', before: 'true', after: 'false' },
        ]);
      });
    });
  });
});
