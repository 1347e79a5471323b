import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import fc from 'fast-check';
import pg from 'pg';
import { isUndropError } from '../src/errors.ts';
import { type DropOptions, reversibleDrop, undropConfig } from '../src/index.ts';
import { libpqVariables, readSettings } from '../src/knex/settings.ts';
import { tlsOptions } from '../src/knex/tls.ts';
import { checkApprovals, readApprovals } from '../src/options/approvals.ts';
import { parseOptions } from '../src/options/options.ts';
import { identifier, parseTableName, quoteName } from '../src/options/table-name.ts';
import { formatDdl } from '../src/script/ddl-file.ts';
import { readScript } from '../src/script/read.ts';
import { scripted } from '../src/script/script.ts';
import { quietly } from '../src/text/log.ts';
import { control } from '../src/text/printable.ts';
import { cut, name, runs, text } from './support/hostile-names.ts';
import { runner } from './support/migrate.ts';
import { wholeText } from './support/pg-dump.ts';
import { useServer } from './support/use-database.ts';

const parameters = runs(300, 10_000);
const secret = 'geheim-99';
/** Counts refused runs. If all or none are refused, the generator is wrong. */
let refused = 0;

/** The result, or undefined for an UndropError; any other error is thrown. */
function orRefused<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (!isUndropError(error)) throw error;
    refused++;
    expect(error.message, 'message').to.be.a('string').that.is.not.empty;
    expect(error.next, 'next').to.be.a('string').that.is.not.empty;
    // A line for each part, and no control characters.
    expect(String(error).replaceAll('\n', '')).not.to.match(control);
    expect(String(error)).not.to.include(secret);
    return undefined;
  }
}

function raise(error: unknown): never {
  throw error;
}

describe(`fuzz (UNDROP_SEED=${parameters.seed})`, () => {
  beforeEach(() => {
    refused = 0;
  });

  const mostly = <T, Strange>(arbitrary: fc.Arbitrary<T>, strange: fc.Arbitrary<Strange>) =>
    fc.oneof({ weight: 40, arbitrary }, { weight: 1, arbitrary: strange });
  const something = fc.oneof(text, fc.anything());
  const duration = fc
    .tuple(fc.nat(9999), fc.constantFrom('ms', 's', 'm', 'h', 'd', '', ' s'))
    .map(([n, u]) => n + u);

  const options = fc.record(
    {
      name: mostly(name, something),
      tables: mostly(fc.oneof(fc.array(name, { minLength: 1 }), fc.dictionary(name, text)), something),
      dependents: mostly(fc.constantFrom('refuse', 'cascade'), something),
      rows: mostly(fc.constantFrom('refuse', 'copy'), something),
      missing: mostly(fc.constantFrom('refuse', 'skip'), something),
      backup: mostly(fc.constantFrom('off', 'required'), something),
      backupProof: mostly(fc.constantFrom('attested', 'contents', 'reachable', 'restore'), something),
      backupMaxAge: mostly(duration, something),
      approval: mostly(fc.constantFrom('none', 'each-table'), something),
      schemaComment: mostly(text, something),
      lockTimeout: mostly(duration, something),
      lockTries: mostly(fc.nat(20), something),
    },
    { requiredKeys: ['name', 'tables'] },
  );

  const environment: fc.Arbitrary<NodeJS.ProcessEnv> = fc.record(
    {
      UNDROP_BACKUP: mostly(fc.constantFrom('off', 'required', ''), text),
      UNDROP_BACKUP_PROOF: mostly(fc.constantFrom('attested', 'contents', 'reachable', 'restore'), text),
      UNDROP_BACKUP_MAX_AGE: mostly(duration, text),
      UNDROP_DEPENDENTS: mostly(fc.constantFrom('refuse', 'cascade', 'cascade:x'), text),
      UNDROP_SCHEMA_COMMENT: mostly(fc.constant('off'), text),
      APPROVED_DROPS: mostly(
        fc.array(name).map((names) => names.join(',')),
        text,
      ),
    },
    { requiredKeys: [] },
  );

  const count = (what: string) =>
    console.log(`      ${parameters.numRuns} ${what}, ${refused} of them refused`);

  it('parses names as quoted, or refuses them', () => {
    fc.assert(
      fc.property(name, name, text, (schema, table, any) => {
        expect(parseTableName(quoteName(table))).to.include({ schema: undefined, name: table });
        expect(parseTableName(`${quoteName(schema)}.${quoteName(table)}`)).to.include({
          schema,
          name: table,
        });
        expect(quoteName(table)).to.equal(pg.escapeIdentifier(table));
        expect(identifier(table)).to.match(/^(U&)?"(?:[^"]|"")*"$|^[a-z_][a-z0-9_$]*$/);
        expect(identifier(table)).not.to.match(control);
        const read = orRefused(() => parseTableName(any));
        // A parsed name equals the written one without its quotes.
        if (read !== undefined && !any.includes('"')) {
          expect([read.schema, read.name].filter((part) => part !== undefined).join('.')).to.equal(any);
        }
      }),
      parameters,
    );
    count('names');
  });

  it('accepts options and environment, or refuses them with all mistakes', () => {
    fc.assert(
      fc.property(mostly(options, fc.anything()), environment, (given, env) => {
        const read = orRefused(() => parseOptions(given as unknown as DropOptions, env));
        orRefused(() => reversibleDrop(given as unknown as DropOptions));
        orRefused(() => checkApprovals(['a'], env));
        orRefused(() => readApprovals(env));
        if (read === undefined) return;
        expect(read).to.be.frozen;
        expect(read.lockTimeoutMs).to.be.within(1, 2 ** 31 - 1);
        expect(read.lockTries).to.be.greaterThan(0);
        expect(read.backupMaxAgeSeconds).to.be.within(0, Number.MAX_SAFE_INTEGER);
        expect(read.tables).not.to.be.empty;
      }),
      parameters,
    );
    count('options');
  });

  const word = fc.oneof(name, fc.webSegment(), fc.constant(''));
  const url = mostly(
    fc
      .tuple(
        fc.constantFrom('postgres', 'postgresql', 'POSTGRES', 'mysql'),
        mostly(word.map(encodeURIComponent), word),
        mostly(
          word.map((one) => encodeURIComponent(one) + secret),
          word.map((one) => one + secret),
        ),
        mostly(
          fc.oneof(
            fc.domain(),
            fc.ipV4(),
            fc.ipV6().map((one) => `[${one}]`),
          ),
          word,
        ),
        mostly(fc.nat(70_000).map(String), word),
        mostly(word.map(encodeURIComponent), word),
        fc.webQueryParameters(),
      )
      .map(
        ([scheme, user, password, host, port, database, query]) =>
          `${scheme}://${user}:${password}@${host}:${port}/${database}?${query}`,
      ),
    text,
  );
  const settings = fc.record(
    {
      DATABASE_URL: url,
      PGHOST: word,
      PGPORT: mostly(fc.nat(70_000).map(String), word),
      PGDATABASE: word,
      PGUSER: word,
      PGPASSWORD: fc.constant(secret),
      PGOPTIONS: text,
      PGSSLMODE: mostly(
        fc.constantFrom('disable', 'require', 'verify-full'),
        fc.constantFrom('constructor', '__proto__', 'x'),
      ),
      PGSSLROOTCERT: fc.constantFrom('', '/nowhere', 'system'),
    },
    { requiredKeys: [] },
  );

  it('accepts URLs and PG variables, or refuses them without showing the password', () => {
    fc.assert(
      fc.property(settings, (env) => {
        const read = orRefused(() => readSettings(env));
        if (read === undefined) return;
        orRefused(() => tlsOptions(read.ssl));
        expect(read.port).to.be.within(1, 65535);
        for (const part of [read.host, read.user, read.database]) {
          expect(part).to.be.a('string').that.is.not.empty;
          // If it is refused, the message does not show the password.
          expect(part).not.to.include(secret);
        }
        for (const value of Object.values(libpqVariables(read))) expect(value).to.be.a('string');
      }),
      parameters,
    );
    count('connections');
  });

  it('accepts configurations, or refuses them', () => {
    const root = mkdtempSync(join(tmpdir(), 'undrop-fuzz-'));
    try {
      writeFileSync(join(root, 'package.json'), '{}');
      mkdirSync(join(root, 'seeds'));
      const config = fc.record(
        {
          root: mostly(fc.constant(root), something),
          migrations: mostly(text, something),
          seeds: mostly(fc.oneof(fc.constant('seeds'), text), something),
          connection: mostly(url, something),
          schemaName: mostly(name, something),
          tableName: mostly(name, something),
        },
        { requiredKeys: ['root'] },
      );
      fc.assert(
        fc.property(mostly(config, fc.anything()), (given) => {
          orRefused(() => undropConfig(given as unknown as Parameters<typeof undropConfig>[0]));
        }),
        parameters,
      );
    } finally {
      rmSync(root, { recursive: true });
    }
    count('configurations');
  });

  it('parses DDL files into the statements that were written', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'undrop-fuzz-'));
    const file = join(folder, 'file.sql');
    const read = (content: string): Promise<string[]> => {
      writeFileSync(file, content);
      return readScript(file, async (parts) => {
        const read: string[] = [];
        for await (const { sql } of parts) read.push(sql);
        return read;
      });
    };
    const refusalOf = async (content: string) => {
      const thrown: unknown = await read(content).then(
        () => new Error('it was taken'),
        (error) => error,
      );
      expect(orRefused(() => raise(thrown))).to.equal(undefined);
    };
    const stored = text.map((given) => given.replaceAll(/\p{Surrogate}/gu, ''));
    const statement = fc.record({ kind: stored, identity: stored, sql: stored });
    try {
      await fc.assert(
        fc.asyncProperty(fc.array(statement), text, async (statements, any) => {
          const content = formatDdl({ statements, withoutRows: [] });
          expect(await read(content)).to.deep.equal(statements.map(({ sql }) => scripted(sql)));
          await refusalOf(any);
          await refusalOf(content.slice(0, -1));
        }),
        parameters,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
    count('files');
  });

  describe('through capture and restore', () => {
    const perBatch = 20;
    const batches = runs(2, 100);
    const server = useServer();

    const systemColumns = new Set(['ctid', 'xmin', 'xmax', 'cmin', 'cmax', 'tableoid']);
    const notReserved = (given: string) =>
      /^(pg_|undrop$|information_schema$)/.test(given) ? cut(`s${given}`, 63) : given;
    const column = name.map((given) => (systemColumns.has(given) ? `${given} ` : given));
    interface Hostile {
      schema: string;
      table: string;
      columns: string[];
      other: string;
      words: string;
    }
    const table: fc.Arbitrary<Hostile> = fc.record({
      schema: name.map(notReserved),
      table: name,
      columns: fc.uniqueArray(column, { minLength: 2, maxLength: 4 }),
      other: name,
      words: text.map((given) => given.replaceAll(/[\0\p{Surrogate}]/gu, '')),
    });

    const quote = pg.escapeIdentifier;
    const literal = pg.escapeLiteral;

    /** A table that uses a name or a text in every possible place. */
    function ddl({ schema, table, columns, other, words }: Hostile): string {
      const [key = '', second = '', third] = columns.map(quote);
      const own = `${quote(schema)}.${quote(table)}`;
      return `
        create schema if not exists ${quote(schema)};
        create table ${own} (
          ${key} serial,
          ${second} text default ${literal(words)} check (${second} <> ${literal(words)}),
          ${third === undefined ? '' : `${third} int generated always as identity,`}
          constraint ${quote(cut(`k${other}`, 63))} primary key (${key}));
        create index ${quote(cut(`i${other}`, 63))} on ${own} (${second}) where ${second} > ${literal(words)};
        create statistics ${quote(schema)}.${quote(cut(`s${other}`, 63))} on ${key}, ${second} from ${own};
        create trigger ${quote(other)} before insert on ${own} for each row execute function touch(${literal(words)});
        create rule ${quote(other)} as on delete to ${own} where old.${second} = ${literal(words)} do instead nothing;
        create policy ${quote(other)} on ${own} using (${second} = ${literal(words)});
        comment on table ${own} is ${literal(words)};
        comment on column ${own}.${second} is ${literal(words)};
        insert into ${own} (${second}) values (${literal(`x${words}`)});`;
    }

    it('restores every name, and runs no SQL in a name', async function () {
      this.timeout(3_600_000);
      let names = 0;
      const batch = fc.uniqueArray(table, {
        minLength: perBatch,
        maxLength: perBatch,
        // Indexes and sequences share their namespace with tables.
        selector: ({ schema }) => schema,
      });
      await fc.assert(
        fc.asyncProperty(batch, async (tables) => {
          const database = await server.createDatabase();
          const run = runner(database.url);
          try {
            await server.sql(
              database.name,
              `create table canary (id int); insert into canary values (1);
               create function touch() returns trigger language plpgsql as 'begin return new; end'`,
            );
            const client = await server.client(database.name);
            for (const one of tables) await client.query(ddl(one));
            await client.end();
            const state = async () => (await wholeText(database.url)).split('\n').sort().join('\n');
            const before = await state();
            const migration = reversibleDrop({
              name: `1_${tables[0]?.other}`,
              tables: Object.fromEntries(
                tables.map(({ schema, table, words }) => [`${quote(schema)}.${quote(table)}`, words]),
              ),
              rows: 'copy',
            });
            await quietly(() => run.up(migration));
            const [left] = await run.rows(
              `select count(*)::int from pg_tables where schemaname not in ('pg_catalog', 'information_schema', 'undrop')`,
            );
            expect(left, 'the canary alone is left').to.deep.equal({ count: 1 });
            expect(await run.rows('select id from canary')).to.deep.equal([{ id: 1 }]);
            await quietly(() => run.down(migration));
            expect(await state()).to.equal(before);
            names += tables.length;
          } finally {
            await run.end();
            await server.dropDatabase(database.name);
          }
        }),
        batches,
      );
      console.log(`      ${names} tables with names of their own`);
    });
  });
});
