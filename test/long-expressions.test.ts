import { expect } from 'chai';
import type pg from 'pg';
import { isUndropError } from '../src/errors.ts';
import { reversibleDrop } from '../src/migration/reversible-drop.ts';
import { quietly } from '../src/text/log.ts';
import { type Family, families } from './expressions/families.ts';
import { type Kind, kindsOf } from './expressions/kinds.ts';
import { readOperators } from './expressions/operators.ts';
import { inCase } from './support/case-folders.ts';
import type { Runner } from './support/migrate.ts';
import { rolePrefix } from './support/role-prefix.ts';
import type { TestServer } from './support/server.ts';
import { skip } from './support/skip.ts';
import { useServer } from './support/use-database.ts';

// UNDROP_EXPRESSIONS=table prints the outcome for each kind of object with the operators of each family.
const printed = process.env.UNDROP_EXPRESSIONS === 'table';

describe('expressions whose text names no operator', () => {
  const server = useServer();
  const table = new Map<string, Map<string, string>>();
  after(() => {
    if (printed) process.stdout.write(describeTable(server.version, table));
  });

  for (const family of families) {
    it(`with the operators of ${family.name} are restored with them, or are refused`, async function () {
      if (family.extension !== undefined && !(await hasExtension(server, family.extension)))
        skip(this, `the server has no ${family.extension}`);
      const cells = new Map<string, string>();
      table.set(family.name, cells);
      await inCase(server, `create role ${rolePrefix}_reader; ${family.schema}`, async (run, { name }) => {
        for (const kind of kindsOf(family)) {
          const client = await server.client(name);
          const made = await make(client, family, kind).finally(() => client.end());
          cells.set(kind.name, made === 0 ? '–' : await restore(server, name, run, family, kind));
        }
      });
      const refused = [...cells].filter(([, cell]) => cell !== 'exact' && cell !== '–').map(([kind]) => kind);
      if (family.refuses === true) expect(refused).to.include.members(['view', 'policy', 'check', 'trigger']);
      else expect(refused).to.deep.equal([]);
    });
  }
});

async function hasExtension(server: TestServer, name: string): Promise<boolean> {
  const sql = `select from pg_available_extensions where name = '${name}'`;
  return (await server.sql('postgres', sql)).length > 0;
}

/** Returns how many of the objects the server accepted. */
async function make(client: pg.Client, { path }: Family, { before, makes }: Kind): Promise<number> {
  await client.query(`set search_path = ${path}`);
  for (const sql of before) await client.query(sql);
  let made = 0;
  for (const sql of makes) {
    await client.query(sql).then(
      () => made++,
      () => undefined,
    );
  }
  return made;
}

/** Drops and restores the tables. Returns `exact`, or the code of the refusal. */
async function restore(
  server: TestServer,
  database: string,
  run: Runner,
  family: Family,
  kind: Kind,
): Promise<string> {
  const look = async () => {
    const client = await server.client(database);
    try {
      const operators = await readOperators(client);
      return { operators, shown: await show(client, family, kind) };
    } finally {
      await client.end();
    }
  };
  const schema = /(?:^|, )(?!pg_catalog)(\w+)$/.exec(family.path.split(',')[0] ?? '')?.[1] ?? 'public';
  const tables = kind.tables.map((table) => `${schema}.${table}`);
  const there = await run.rows<{ name: string }>(
    `select t as name from unnest('{${tables}}'::text[]) as t where to_regclass(t) is not null`,
  );
  const migration = reversibleDrop({
    name: `${family.name} ${kind.name}`,
    tables: there.map(({ name }) => name),
    dependents: 'cascade',
    rows: 'copy',
  });
  const before = await look();
  try {
    await quietly(() => run.up(migration));
  } catch (error) {
    if (!isUndropError(error)) throw error;
    expect(await look(), `${kind.name}: refused`).to.deep.equal(before);
    return `${error.code}: ${error.reason}`;
  }
  await quietly(() => run.down(migration));
  const after = await look();
  expect(after.shown, `${kind.name}: behaviour`).to.deep.equal(before.shown);
  expect(after.operators, `${kind.name}: operators`).to.deep.equal(before.operators);
  return 'exact';
}

/** Returns the result or error of each statement; all of them are rolled back. */
async function show(client: pg.Client, { path }: Family, { shows }: Kind): Promise<unknown[]> {
  const shown: unknown[] = [];
  await client.query(`begin; set local search_path = ${path}`);
  for (const sql of shows) {
    await client.query('savepoint one');
    try {
      shown.push([sql, (await client.query(sql)).rows]);
    } catch (error) {
      await client.query('rollback to savepoint one');
      shown.push([sql, (error as { code?: string }).code]);
    }
  }
  await client.query('rollback');
  return shown;
}

function describeTable(version: string, table: ReadonlyMap<string, ReadonlyMap<string, string>>): string {
  const kinds = [...new Set([...table.values()].flatMap((cells) => [...cells.keys()]))];
  const rows = kinds.map((kind) => [kind, ...[...table.values()].map((cells) => cells.get(kind) ?? '')]);
  const lines = [[`PostgreSQL ${version}`, ...table.keys()], ...rows].map(
    (cells) => `| ${cells.map((cell) => cell.split('\n')[0]?.slice(0, 60) ?? '').join(' | ')} |\n`,
  );
  return lines.join('');
}
