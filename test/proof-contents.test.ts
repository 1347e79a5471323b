import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import type { PgDump } from '../src/backup/programs/find-pg-dump.ts';
import { type Expected, proveContents } from '../src/backup/proof/prove-contents.ts';
import type { ErrorCode } from '../src/errors.ts';
import { refusalOf } from './support/migrate.ts';

const end = '--\n-- PostgreSQL database dump complete\n--\n';
const plain = { format: 'plain', compressed: false } as const;

/** The parts of a refusal that a user reads, and its code. */
async function refused(work: Promise<unknown>, code: ErrorCode) {
  const { subject, message, reason, next } = await refusalOf(work, code);
  return { subject, message, reason, next };
}

describe('the proof of the contents of a dump', () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-proof-'));
    file = join(folder, 'dump');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const check = (dump: string, expected: Expected): Promise<void> => {
    writeFileSync(file, dump);
    return proveContents(file, plain, expected);
  };
  const reasons = async (dump: string, expected: Expected) =>
    (await refusalOf(check(dump, expected), 'backup-unproved')).reason.split('\n');
  const table = (name: string, rows?: number, schema = 'public') =>
    rows === undefined ? { schema, name } : { schema, name, rows };
  const copy = (name: string, ...rows: string[]) =>
    `COPY ${name} (a) FROM stdin;\n${rows.map((row) => `${row}\n`).join('')}\\.\n\n`;

  const dump = `
SET client_encoding = 'UTF8';
CREATE SCHEMA app;
CREATE TABLE public.a (a text);
CREATE TABLE public.b (a text);
CREATE TABLE app.a (a text);
CREATE TABLE public.bare ();
${copy('public.a', 'one', 'two', '\\N')}${copy('public.b')}
INSERT INTO app.a (a) VALUES
	('one;'),
	('two');
INSERT INTO app.a (a) VALUES ('three');
INSERT INTO public.bare DEFAULT VALUES;
INSERT INTO public.bare DEFAULT VALUES;
CREATE INDEX i ON public.a USING btree (a);
CREATE INDEX i ON app.a USING btree (a);
`;
  const tables = [table('a', 3), table('b', 0), table('a', 3, 'app'), table('bare', 2)];

  it('accepts one with all tables, rows and objects, and what else it has', async () => {
    const index = { kind: 'index', name: 'i' };
    await check(`${dump}${end}`, { tables, objects: [index, index] });
    await check(`${dump}${end}`, { tables: [], objects: [index] });
    await check(`${dump}${end}`, { tables: [table('a')] });
    writeFileSync(file, gzipSync(`${dump}${end}`));
    await proveContents(file, { format: 'plain', compressed: true }, { tables });
  });

  it('refuses one that ends too early, whatever else it lacks', async () => {
    expect(await refused(check(dump, { tables: [table('gone')] }), 'backup-unproved')).to.deep.equal({
      subject: file,
      message: `The backup ${file} failed the proof of its contents.`,
      reason: 'The file is incomplete: the last line of pg_dump is missing.',
      next: 'Take another backup with npm run backup, and keep this one until the new one is proved.',
    });
  });

  it('refuses one with fewer or more rows', async () => {
    const wrong = [table('a', 2), table('b', 1), table('a', 4, 'app'), table('bare', 1)];
    expect(await reasons(`${dump}${end}`, { tables: wrong })).to.deep.equal([
      'It has 3 rows of "public"."a"; the table had 2.',
      'It has 0 rows of "public"."b"; the table had 1.',
      'It has 3 rows of "app"."a"; the table had 4.',
      'It has 2 rows of "public"."bare"; the table had 1.',
    ]);
  });

  it('names the tables that are missing, without their rows', async () => {
    const found = await reasons(`${dump}${end}`, {
      tables: [table('gone', 7), table('a', 9, 'other'), table('a', 4)],
    });
    expect(found).to.deep.equal([
      'It does not create "public"."gone", "other"."a".',
      'It has 3 rows of "public"."a"; the table had 4.',
    ]);
  });

  it('takes a table that it only fills for missing', async () => {
    const filled = `${copy('public.only', '1')}INSERT INTO public.also VALUES (1);\n${end}`;
    expect(await reasons(filled, { tables: [table('only', 1), table('also', 1)] })).to.deep.equal([
      'It does not create "public"."only", "public"."also".',
    ]);
  });

  it('counts rows that are empty lines', async () => {
    const empty = `CREATE TABLE public.e (a text);\n${copy('public.e', '', '', 'x', '')}${end}`;
    await check(empty, { tables: [table('e', 4)] });
  });

  it('takes the rows of a COPY for those of its table only', async () => {
    const later = `${dump}${copy('public.b', 'x')}${end}`;
    expect(await reasons(later, { tables })).to.deep.equal([
      'It has 1 rows of "public"."b"; the table had 0.',
    ]);
    const twice = `${dump}${copy('public.a', 'x')}${end}`;
    expect(await reasons(twice, { tables })).to.deep.equal([
      'It has 4 rows of "public"."a"; the table had 3.',
    ]);
  });

  it('counts the rows of partitions that are dumped through their root together', async () => {
    const root = { schema: 'public', name: 'root' };
    const parts = `
CREATE TABLE public.root (a text) PARTITION BY HASH (a);
CREATE TABLE public.p1 (a text);
CREATE TABLE public.p2 (a text);
${copy('public.p1', '1', '2')}${copy('public.root', '3')}${end}`;
    const group = (rows: number) => [
      { ...table('p1', rows), root },
      { ...table('p2', 1), root },
      table('root', 0),
    ];
    await check(parts, { tables: group(2) });
    expect(await reasons(parts, { tables: group(3) })).to.deep.equal([
      'It has 3 rows of "public"."root" and its partitions; the table had 4.',
    ]);
    const lacks = parts.replace('CREATE TABLE public.p2', 'CREATE TABLE public.p3');
    expect(await reasons(lacks, { tables: group(3) })).to.deep.equal(['It does not create "public"."p2".']);
    // One of unknown size: nothing can be said of the sum.
    await check(parts, { tables: [{ ...table('p1'), root }, { ...table('p2', 9), root }, table('root', 0)] });
  });

  it('counts objects of the same name, and names those that it lacks', async () => {
    const objects = [
      ...Array.from({ length: 4 }, () => ({ kind: 'index', name: 'i' })),
      { kind: 'index', name: 'odd "one"' },
      { kind: 'sequence state', name: '' },
      { kind: 'trigger', name: 'i' },
    ];
    expect(await reasons(`${dump}${end}`, { tables, objects })).to.deep.equal([
      'It does not create index "i" (2).',
      'It does not create index "odd ""one""".',
      'It does not create sequence state.',
      'It does not create trigger "i".',
    ]);
    const many = Array.from({ length: 12 }, (_, number) => ({ kind: 'rule', name: `r${number}` }));
    const found = await reasons(`${dump}${end}`, { tables, objects: many });
    expect([found.length, found.at(-1)]).to.deep.equal([11, '… and 2 more']);
  });

  it('refuses one that cannot be read, with the reason', async () => {
    const { reason } = await refusalOf(proveContents(file, plain, { tables: [] }), 'backup-unproved');
    expect(reason).to.include('ENOENT');
    const error = await refusalOf(check(`\\! true\n${end}`, { tables: [] }), 'backup-unproved');
    expect(error.message).to.include('a psql meta-command');
  });

  describe('in two shares', () => {
    /** A program in place of pg_restore that prints these texts for the two lists. */
    function reader(first: string, second: string): PgDump {
      const contents = [
        ...['1; 0 1 TABLE DATA public a postgres', '2; 0 2 TABLE DATA public b postgres'],
        '3; 0 3 INDEX public i postgres',
      ];
      writeFileSync(join(folder, 'toc'), `${contents.join('\n')}\n`);
      writeFileSync(join(folder, 'first'), first);
      writeFileSync(join(folder, 'second'), second);
      writeFileSync(
        join(folder, 'pg_restore'),
        `#!/bin/sh
for argument; do
  case $argument in
    --list) exec cat '${folder}/toc' ;;
    --use-list=*/0) exec cat '${folder}/first' ;;
    --use-list=*/1) exec cat '${folder}/second' ;;
    --use-list=*) exit 1 ;;
  esac
done
exec cat '${folder}/first' '${folder}/second'
`,
      );
      chmodSync(join(folder, 'pg_restore'), 0o755);
      return { path: join(folder, 'pg_dump'), version: '18.0', major: 18 } as PgDump;
    }
    const many = Array.from({ length: 30_000 }, () => 'x');
    const a = `CREATE TABLE public.a (a text);\n${copy('public.a', ...many)}`;
    const b = `CREATE TABLE public.b (a text);\n${copy('public.b', ...many)}CREATE INDEX i ON public.b (a);\n`;
    const expected = {
      tables: [table('a', 30_000), table('b', 30_000)],
      objects: [{ kind: 'index', name: 'i' }],
    };
    const read = (first: string, second: string) =>
      proveContents(file, { format: 'custom', compressed: false }, expected, reader(first, second));

    it('adds up what they have', async () => {
      await read(a + end, b + end);
      await read(a + b + end, end);
    });

    it('refuses one of which a share is incomplete', async () => {
      for (const [first, second] of [
        [a, b + end],
        [a + end, b],
      ] as const)
        expect((await refusalOf(read(first, second), 'backup-unproved')).reason).to.match(
          /^The file is incomplete/,
        );
    });

    it('refuses one with another number of rows in a share', async () => {
      const less = b.replace('x\n', '');
      expect((await refusalOf(read(a + end, less + end), 'backup-unproved')).reason).to.equal(
        'It has 29999 rows of "public"."b"; the table had 30000.',
      );
    });
  });
});
