import { expect } from 'chai';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import { quietly } from '../src/text/log.ts';
import { inCase, needsCase, readCases, readSomeCases } from './support/case-folders.ts';
import { expectDropped, expectSame, look } from './support/judges.ts';
import { refusalOf } from './support/migrate.ts';
import { physical } from './support/physical.ts';
import { useServer } from './support/use-database.ts';

// UNDROP_MOVES=all runs all cases, not only one or two of each family.
const chosen = process.env.UNDROP_MOVES === 'all' ? readCases() : readSomeCases();

// Tables of these cases are children of a table that stays, or use types, functions or operators that depend on their
// row types.
const unmovable = new Set([
  'constraints--of-a-time-zone',
  'domains--of-row-types',
  'inheritance--child',
  'inheritance--column-in-the-middle',
  'inheritance--columns-of-a-survivor',
  'inheritance--not-valid-of-a-survivor',
  'inheritance--parent-and-children',
  'operator-classes--kinds',
  'operators--kinds',
  'routines--extension-links',
  'routines--generated-column-of-another',
  'routines--of-columns-and-views',
  'rows--domain-not-valid',
  'rows--row-types-of-others',
]);

describe('tables that are moved', () => {
  const server = useServer();
  for (const chosenCase of chosen) {
    const { name, schema, tables, options, refused } = chosenCase;
    if (refused !== undefined && refused !== 'not-empty') continue;
    const migration = reversibleDrop({ name, tables, ...options, rows: 'move' });
    const isMovable = !unmovable.has(name);
    it(`${name}: ${isMovable ? 'comes back as the same table' : 'is refused'}`, async function () {
      await needsCase(this, server, chosenCase);
      await inCase(server, schema, async (run, database) => {
        const before = [await look(database), await physical(run)] as const;
        if (isMovable) {
          await quietly(() => run.up(migration));
          await expectDropped(run, tables);
          await quietly(() => run.down(migration));
        } else {
          const { reason } = await refusalOf(run.up(migration), 'not-reproducible');
          expect(reason).to.include("rows: 'copy' can");
        }
        expectSame(before[0], await look(database));
        expect(await physical(run)).to.deep.equal(before[1]);
        const left = await run.rows(`select nspname from pg_namespace where nspname ~ '^undrop_moved'`);
        expect(left, 'schemas that remain').to.deep.equal([]);
      });
    });
  }
});
