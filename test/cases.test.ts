import { expect } from 'chai';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import { quietly } from '../src/text/log.ts';
import { inCase, needsCase, readCases } from './support/case-folders.ts';
import { expectDropped, expectSame, look } from './support/judges.ts';
import { refusalOf } from './support/migrate.ts';
import { useServer } from './support/use-database.ts';

// UNDROP_CASES=all runs all cases, not only the first of each family. The matrix runs all of them too.
const all = process.env.UNDROP_CASES === 'all';
const families = new Set<string>();
const chosen = readCases().filter(({ name }) => {
  const [family = ''] = name.split('--');
  const isFirst = !families.has(family);
  families.add(family);
  return all || isFirst;
});

describe(all ? 'cases' : 'cases, one of each family', () => {
  const server = useServer();
  for (const chosenCase of chosen) {
    const { name, schema, tables, options, refused } = chosenCase;
    const migration = reversibleDrop({ name, tables, ...options });

    it(refused === undefined ? `${name}: is restored` : `${name}: is refused, ${refused}`, async function () {
      await needsCase(this, server, chosenCase);
      await inCase(server, schema, async (run, database) => {
        const before = await look(database);
        if (refused !== undefined) {
          await refusalOf(run.up(migration), refused);
          expect(await look(database)).to.deep.equal(before);
          const traces = await run.rows(`select from pg_namespace where nspname = 'undrop'`);
          expect(traces, 'a trace of the archive').to.have.length(0);
          return;
        }
        await quietly(() => run.up(migration));
        await expectDropped(run, tables);
        await quietly(() => run.down(migration));
        expectSame(before, await look(database));
        await quietly(() => run.up(migration));
        const prints = await run.rows<{ fingerprint: string }>(
          'select distinct fingerprint from undrop.drops',
        );
        expect(prints, 'the second drop captures the same').to.have.length(1);
      });
    });
  }
});
