import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import pg from 'pg';
import { type DumpPiece, readDump } from '../src/backup/contents/dump-reader.ts';
import type { Packing } from '../src/backup/contents/dump-text.ts';
import { shareOut } from '../src/backup/contents/shares.ts';
import { readTableOfContents } from '../src/backup/contents/table-of-contents.ts';
import type { PgDump } from '../src/backup/programs/find-pg-dump.ts';
import { findPgRestore } from '../src/backup/programs/pg-restore.ts';
import { proveContents } from '../src/backup/proof/prove-contents.ts';
import { compareDigests } from '../src/backup/restore/compare-manifest.ts';
import { replayPlain } from '../src/backup/restore/replay-plain.ts';
import { readFactDigests } from '../src/catalog/facts/fact-digests.ts';
import { inSession } from '../src/session/session.ts';
import { refusal, runner } from './support/migrate.ts';
import { nativeOrSkip } from './support/pg-dump.ts';
import { useServer } from './support/use-database.ts';

const quote = pg.escapeIdentifier;

const dump = String.raw`--
-- PostgreSQL database dump
--
\restrict AbC123

SET standard_conforming_strings = on;
CREATE FUNCTION public.body() RETURNS void LANGUAGE plpgsql AS $_$ begin
COPY public.no FROM stdin;
\. ; -- '
end $_$;
CREATE FUNCTION public.sql(a integer) RETURNS integer
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT CASE WHEN (a > 1) THEN ';'::text ELSE 'x'::text END AS "case";
 SELECT 2;
END;
CREATE RULE two AS ON INSERT TO public.t DO ( SELECT 1;
 SELECT 2;
);
CREATE TABLE "Odd ""schema"""."a;b" ("-- no" text);
COPY public.t (a) FROM stdin;
\\.
one\ttwo
\N
\.

COPY public.empty FROM stdin;
\.
INSERT INTO public.u (a, b) VALUES
	(1, ')(;'),
	(2, 'two
lines');
--
-- PostgreSQL database dump complete
--

\unrestrict AbC123
`;

const taken = [
  'statement SET standard_conforming_strings = on',
  String.raw`statement CREATE FUNCTION public.body() RETURNS void LANGUAGE plpgsql AS $_$ begin
COPY public.no FROM stdin;
\. ; -- '
end $_$`,
  `statement CREATE FUNCTION public.sql(a integer) RETURNS integer
    LANGUAGE sql
    BEGIN ATOMIC
 SELECT CASE WHEN (a > 1) THEN ';'::text ELSE 'x'::text END AS "case";
 SELECT 2;
END`,
  'statement CREATE RULE two AS ON INSERT TO public.t DO ( SELECT 1;\n SELECT 2;\n)',
  'statement CREATE TABLE "Odd ""schema"""."a;b" ("-- no" text)',
  'copy COPY public.t (a) FROM stdin',
  String.raw`rows \\.
one\ttwo
\N
`,
  'end of rows ',
  'copy COPY public.empty FROM stdin',
  'end of rows ',
  `statement INSERT INTO public.u (a, b) VALUES\n\t(1, ')(;'),\n\t(2, 'two\nlines')`,
  'complete ',
];

describe('reading a dump', () => {
  it('returns the same pieces for chunks of any size', async () => {
    expect(await piecesOf([dump])).to.deep.equal(taken);
    for (const size of [1, 2, 3, 5, 7, 64, 100]) expect(await piecesOf(cut(dump, size))).to.deep.equal(taken);
    for (let at = 1; at < dump.length; at++) {
      expect(await piecesOf([dump.slice(0, at), dump.slice(at)]), `cut at ${at}`).to.deep.equal(taken);
    }
  });

  for (const [where, text] of [
    ['at the beginning of a line', 'SELECT 1;\n\\! rm -rf /\n'],
    ['in a statement', 'SELECT 1 \\gexec\n'],
    ['behind a statement', 'SELECT 1; \\! true\n'],
    ['behind a name in a comment', '-- Name: odd\n\\! true\n'],
    ['that only begins like a fence', '\\restrict a; \\! true\n'],
  ] as const) {
    it(`refuses a psql meta-command ${where}`, async () => {
      const error = await refusal(piecesOf([text]));
      expect(error.code).to.equal('backup-unproved');
      expect(error.message).to.include('a psql meta-command');
    });
  }
});

describe('the proof of contents', () => {
  const database = `proof of "contents" ${process.pid}`;
  const odd = `Größe "x";\n'\\`;
  const tables = [
    { schema: 'public', name: 'plain', rows: 5000 },
    { schema: 'public', name: 'empty', rows: 0 },
    { schema: 'public', name: 'no columns', rows: 3 },
    { schema: odd, name: odd, rows: 4 },
    { schema: 'public', name: 'parent', rows: 0 },
    { schema: 'public', name: 'part', rows: 20 },
  ];
  const server = useServer();
  let native: PgDump;
  let folder: string;

  before(async function () {
    native = await nativeOrSkip(this, server.major);
    await server.createDatabase(database);
    const name = quote(odd);
    await server.sql(
      database,
      `create table plain as select i, md5(i::text) as text from generate_series(1, 5000) as i;
      create table empty (a int);
      create table "no columns" ();
      insert into "no columns" default values; insert into "no columns" default values;
      insert into "no columns" default values;
      create schema ${name};
      create table ${name}.${name} (a text, ${name} text);
      insert into ${name}.${name} values ('(1),(2);', E'\\\\.'), (E'two\\nlines', E'a\\tb'), ('', null), ('COPY', '''');
      create table parent (a int) partition by range (a);
      create table part partition of parent for values from (0) to (100);
      insert into parent select generate_series(1, 20)`,
    );
  });

  after(async () => {
    if (native !== undefined) await server.dropDatabase(database);
  });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-proof-'));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  function write(...args: string[]): string {
    const file = join(folder, 'backup');
    const { host, port, user, password = '' } = server.config(database);
    const env = {
      PGHOST: host,
      PGPORT: String(port),
      PGUSER: user,
      PGDATABASE: database,
      PGPASSWORD: password,
    };
    execFileSync(native.path, [...args, `--file=${file}`], { env: { ...process.env, ...env } });
    return file;
  }

  const ways: [string, Packing, string[]][] = [
    ['custom', { format: 'custom', compressed: false }, ['--format=custom']],
    ['directory', { format: 'directory', compressed: false }, ['--format=directory']],
    ['plain', { format: 'plain', compressed: false }, []],
    ['packed plain', { format: 'plain', compressed: true }, ['--compress=1']],
    ['plain, one INSERT a row,', { format: 'plain', compressed: false }, ['--inserts']],
    ['plain, one INSERT for many rows,', { format: 'plain', compressed: false }, ['--rows-per-insert=7']],
    ['plain, INSERTs with columns,', { format: 'plain', compressed: false }, ['--column-inserts']],
  ];

  for (const [name, packing, args] of ways) {
    it(`counts the rows of every table of a ${name} backup`, async () => {
      const file = write(...args);
      await proveContents(file, packing, { tables }, native);
      const more = tables.map((table) => ({ ...table, rows: table.rows + 1 }));
      const error = await refusal(proveContents(file, packing, { tables: more }, native));
      expect(error.code).to.equal('backup-unproved');
      expect(error.reason.split('\n').filter((line) => line.startsWith('It has '))).to.have.length(
        tables.length,
      );
      expect(error.reason).to.include('It has 5000 rows of "public"."plain"; the table had 5001.');
      expect(error.reason).to.include(`It has 4 rows of ${quote(odd)}.${quote(odd)}; the table had 5.`);
    });
  }

  it('reads a compressed backup with many rows in two shares', async () => {
    const { name } = await server.createDatabase();
    await server.sql(
      name,
      `create table many as select i, md5(i::text) as text from generate_series(1, 30000) as i;
      create table "many more" as table many`,
    );
    const many = ['many', 'many more'].map((table) => ({ schema: 'public', name: table, rows: 30_000 }));
    for (const format of ['custom', 'directory'] as const) {
      const file = write(`--format=${format}`, `--dbname=${name}`);
      const contents = await readTableOfContents(await findPgRestore(native), file);
      const shares = shareOut(contents, many, 2);
      expect(shares.flat().sort()).to.deep.equal([...contents].sort());
      expect(shares.map((share) => share.filter((line) => / TABLE DATA /.test(line)).length)).to.deep.equal([
        1, 1,
      ]);
      expect(shareOut(contents, many, 1)).to.deep.equal([contents]);
      expect(shareOut(contents, [], 2)).to.deep.equal([contents]);

      const packing = { format, compressed: false };
      await proveContents(file, packing, { tables: many }, native);
      const more = many.map((table) => ({ ...table, rows: 30_001 }));
      const { reason } = await refusal(proveContents(file, packing, { tables: more }, native));
      expect(reason.split('\n')).to.have.length(2);
      const [rows = file] =
        format === 'custom'
          ? []
          : readdirSync(file)
              .filter((entry) => entry.endsWith('.dat.gz'))
              .map((entry) => join(file, entry));
      const bytes = readFileSync(rows);
      bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
      writeFileSync(rows, bytes);
      expect((await refusal(proveContents(file, packing, { tables: many }, native))).code).to.equal(
        'backup-unproved',
      );
      rmSync(file, { recursive: true });
    }
    await server.dropDatabase(name);
  });

  it('reports tables without rows, and missing tables', async () => {
    const packing = { format: 'custom', compressed: false } as const;
    const without = write('--format=custom', '--exclude-table-data=plain', '--exclude-table=empty');
    const { reason } = await refusal(proveContents(without, packing, { tables }, native));
    expect(reason).to.equal(
      'It does not create "public"."empty".\nIt has 0 rows of "public"."plain"; the table had 5000.',
    );
  });

  it('finds a row that was removed from plain SQL', async () => {
    const file = write();
    writeFileSync(file, readFileSync(file, 'utf8').replace(/^17\t.*\n/m, ''));
    const { reason } = await refusal(proveContents(file, { format: 'plain', compressed: false }, { tables }));
    expect(reason).to.equal('It has 4999 rows of "public"."plain"; the table had 5000.');
  });

  it('finds a flipped byte in compressed data, and a truncated file', async () => {
    for (const [, packing, args] of ways.filter(([name]) => /custom|packed/.test(name))) {
      const file = write(...args);
      const bytes = readFileSync(file);
      const flipped = Buffer.from(bytes);
      // The byte is in the middle of the rows.
      flipped.writeUInt8(flipped.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
      for (const damaged of [flipped, bytes.subarray(0, -100), bytes.subarray(0, bytes.length >> 1)]) {
        writeFileSync(file, damaged);
        expect((await refusal(proveContents(file, packing, { tables }, native))).code).to.equal(
          'backup-unproved',
        );
      }
    }
  });

  it('finds a missing file of a directory', async () => {
    const file = write('--format=directory');
    const biggest = readdirSync(file)
      .filter((name) => name.endsWith('.dat.gz'))
      .map((name) => ({ name, size: readFileSync(join(file, name)).length }))
      .sort((a, b) => b.size - a.size)[0];
    rmSync(join(file, biggest?.name ?? ''));
    const work = proveContents(file, { format: 'directory', compressed: false }, { tables }, native);
    expect((await refusal(work)).code).to.equal('backup-unproved');
  });

  it('refuses SQL with a psql meta-command', async () => {
    const file = write();
    writeFileSync(file, gzipSync(`${readFileSync(file, 'utf8')}\\! touch /tmp/pwned\n`));
    const error = await refusal(proveContents(file, { format: 'plain', compressed: true }, { tables }));
    expect(error.message).to.include('a psql meta-command');
  });

  for (const args of [[], ['--inserts']]) {
    it(`replays SQL so that facts and rows are the same: ${args}`, async () => {
      const text = readFileSync(write(...args));
      const other = quote(odd);
      const oddRows = `select a, ${other} as b from ${other}.${other} order by a, b`;
      await replayed(text, async (copy) => {
        expect(
          await server.sql(copy, 'select count(*)::int, count(distinct text)::int as texts from plain'),
        ).to.deep.equal([{ count: 5000, texts: 5000 }]);
        expect(await server.sql(copy, oddRows)).to.deep.equal(await server.sql(database, oddRows));
        expect(compareDigests(await digests(database), await digests(copy))).to.deep.equal([]);
      });
    });
  }

  it('does not replay SQL that ends in the middle of rows or without its last line', async () => {
    const text = readFileSync(write());
    for (const end of [text.indexOf('\n17\t'), text.length - 200]) {
      const error = await refusal(replayed(text.subarray(0, end), async () => undefined));
      expect(error.code).to.equal('backup-unproved');
      expect(error.reason).to.match(/ends in the middle of the rows|is incomplete: the last line/);
    }
  });

  async function replayed(text: Buffer, work: (copy: string) => Promise<void>): Promise<void> {
    const { name } = await server.createDatabase(undefined, { template: 'template0' });
    const client = await server.client(name);
    try {
      await replayPlain(client, piecesIn(text));
      await work(name);
    } finally {
      await client.end();
      await server.dropDatabase(name);
    }
  }

  async function digests(name: string): Promise<Record<string, string>> {
    // pg cannot parse such a name in a URL.
    const run = runner(server.config(name) as unknown as string);
    try {
      return await inSession(run.knex, readFactDigests);
    } finally {
      await run.end();
    }
  }

  describe('digests of facts', () => {
    it('differ for changed objects only', async () => {
      const { name } = await server.createDatabase();
      try {
        await server.sql(
          name,
          `create table t (id serial primary key, a text default 'x', b int references t);
          create table other (id int);
          create view v as select id from t;
          create function f() returns int language sql as 'select 1';
          create type mood as enum ('good');
          create schema s`,
        );
        let before = await digests(name);
        for (const [change, expected] of [
          ["select nextval('t_id_seq')", ['differs: sequence state public.t_id_seq']],
          ["select setval('t_id_seq', 1, false)", ['differs: sequence state public.t_id_seq']],
          ["alter table t alter a set default 'y'", ['differs: table column public.t.a']],
          ["comment on column t.b is 'b'", ['differs: table column public.t.b']],
          ["comment on type t is 'rows'", ['differs: table public.t']],
          ['grant select on other to public', ['differs: table public.other']],
          ['alter table other set (fillfactor = 50)', ['differs: table public.other']],
          ['alter table t disable trigger all', ['differs: table constraint t_b_fkey on public.t']],
          ['alter index t_pkey set (fillfactor = 50)', ['differs: index public.t_pkey']],
          ['alter view v set (security_barrier)', ['differs: view public.v']],
          [
            "create or replace function f() returns int language sql as 'select 2'",
            ['differs: function public.f()'],
          ],
          ["alter type mood add value 'bad'", ['differs: type public.mood']],
          ["comment on schema s is 's'", ['new: comment on schema s']],
          ['create index on other (id)', ['new: index public.other_id_idx']],
          [
            'alter default privileges grant select on tables to public',
            ['new: default acl for role postgres on tables'],
          ],
          [
            'create publication p for table other',
            ['new: publication p', 'new: publication relation public.other in publication p'],
          ],
          [
            'drop table other',
            [
              'missing: index public.other_id_idx',
              'missing: publication relation public.other in publication p',
              'missing: table column public.other.id',
              'missing: table public.other',
            ],
          ],
        ] as const) {
          await server.sql(name, change);
          const after = await digests(name);
          expect(compareDigests(before, after), change).to.deep.equal(expected);
          before = after;
        }
        expect(await digests(name)).to.deep.equal(before);
      } finally {
        await server.dropDatabase(name);
      }
    });

    it('leave out the archive', async () => {
      const { name } = await server.createDatabase();
      try {
        const before = await digests(name);
        await server.sql(name, 'create schema undrop; create table undrop.t (id serial primary key)');
        expect(await digests(name)).to.deep.equal(before);
      } finally {
        await server.dropDatabase(name);
      }
    });
  });
});

async function* piecesIn(text: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < text.length; at += 1000) yield text.subarray(at, at + 1000);
}

function cut(text: string, size: number): string[] {
  return Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
    text.slice(index * size, (index + 1) * size),
  );
}

async function piecesOf(chunks: readonly string[]): Promise<string[]> {
  async function* input(): AsyncGenerator<Buffer> {
    for (const chunk of chunks) yield Buffer.from(chunk);
  }
  const pieces: string[] = [];
  for await (const piece of readDump(input())) {
    const text = textOf(piece);
    if (piece.kind === 'rows' && pieces.at(-1)?.startsWith('rows ')) pieces.push(pieces.pop() + text);
    else pieces.push(`${piece.kind} ${text}`);
  }
  return pieces;
}

function textOf(piece: DumpPiece): string {
  if (piece.kind === 'rows') return piece.data.toString();
  return 'text' in piece ? piece.text.toString() : '';
}
