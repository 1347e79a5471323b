import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { objectsIn, resolvedSql } from '../src/catalog/facts/resolved.ts';
import { inCase } from './support/case-folders.ts';
import { testServer } from './support/server.ts';

const schema = readFileSync(join(import.meta.dirname, 'cases/operators--not-printed/schema.sql'), 'utf8');

const treesSql = /* sql */ `
  select r.ev_action as tree from pg_rewrite as r
  union all select k.conbin from pg_constraint as k
  union all select d.adbin from pg_attrdef as d
  union all select i.indexprs from pg_index as i
  union all select i.indpred from pg_index as i
  union all select p.polqual from pg_policy as p
  union all select t.tgqual from pg_trigger as t
  union all select p.prosqlbody from pg_proc as p
  union all select p.proargdefaults from pg_proc as p`;

describe('the objects in expression trees', () => {
  it('are the same, whether the server finds them or this program', async () => {
    const server = await testServer();
    const union = `create view unions as select 1 as n, 'x'::text as t union select 2, 'y' where row(1, 'a'::text) < row(2, 'b')`;
    await inCase(server, `${schema};\n${union}`, async ({ rows }) => {
      const sql = resolvedSql('t.tree', (classid, objid) => `${classid}::regclass || '/' || ${objid}`, `' '`);
      const found = await rows<{ text: string; expected: string | null }>(
        `select t.tree::text as text, ${sql} as expected from (${treesSql}) as t where t.tree is not null`,
      );
      expect(found).to.have.length.above(200);
      expect(found.some(({ expected }) => expected?.includes('pg_collation/0'))).to.equal(true);
      for (const { text, expected } of found) {
        const objects = objectsIn(text).map(({ catalog, oid }) => `${catalog}/${oid}`);
        expect(objects.join(' '), text).to.equal(expected ?? '');
      }
    });
  });

  it('are found by the server without those of a catalog', async () => {
    const server = await testServer();
    await inCase(server, `create table t (a int default length('a') + 1)`, async ({ rows }) => {
      const name = (classid: string) => `${classid}::regclass::text`;
      const found = async (without?: string) => {
        const sql = resolvedSql('d.adbin', name, `' '`, without);
        return (await rows<{ names: string }>(`select ${sql} as names from pg_attrdef as d`))[0]?.names.split(
          ' ',
        );
      };
      const all = await found();
      expect(all).to.include('pg_operator').and.include('pg_proc');
      expect(await found('pg_operator')).to.deep.equal(all?.filter((one) => one !== 'pg_operator'));
    });
  });
});
