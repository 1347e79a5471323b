import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import stringWidth from 'string-width';
import { commandLine } from '../src/text/command-line.ts';
import { code, fenced, markdownTable } from '../src/text/markdown.ts';
import { align, cut, wrap } from '../src/text/terminal.ts';
import { countOf, duration, list, moment, parseDuration, size, stamp } from '../src/text/units.ts';
import type { TestDatabase } from './support/server.ts';
import { useServer } from './support/use-database.ts';

describe('units.ts', () => {
  const server = useServer();
  let database: TestDatabase;

  before(async () => {
    database = await server.createDatabase();
  });

  after(() => server.dropDatabase(database.name));

  it('formats sizes as pg_size_pretty does', async () => {
    // The limits between units, and values that are rounded up.
    const powers = [1, 1024, 1024 ** 2, 1024 ** 3, 1024 ** 4];
    const around = powers.flatMap((power) =>
      [1, 9, 10, 10.5, 1023, 10_239, 10_239.5, 10_240, 20_479].map((factor) => Math.floor(power * factor)),
    );
    const numbers = around.flatMap((number) => [number - 1, number, number + 1]);
    // PostgreSQL 14 has no PB.
    const known = server.major >= 15 ? numbers : numbers.filter((number) => number < 10_239 * 1024 ** 4);
    const printed = await server.sql<{ bytes: string; pretty: string }>(
      database.name,
      `select n::text as bytes, pg_size_pretty(n) as pretty
       from unnest('{${known.join()}}'::bigint[]) with ordinality as u (n, place) order by place`,
    );
    expect(printed).to.have.length(known.length).and.length.greaterThan(100);
    expect(printed.map(({ bytes }) => size(bytes))).to.deep.equal(printed.map(({ pretty }) => pretty));
    expect(size(234_850)).to.equal('229 kB');
  });

  it('parses durations with the units of PostgreSQL, and m for minutes', () => {
    const read = ['500ms', '30s', '90m', '5min', '24h', '7d'].map(parseDuration);
    expect(read).to.deep.equal([500, 30_000, 5_400_000, 300_000, 86_400_000, 604_800_000]);
    for (const other of ['', '5', '-1s', '1.5h', '1 h', '1H', ' 1s', '1s ', '1s1s', '12345678901s', 5, null])
      expect(parseDuration(other), String(other)).to.equal(undefined);
  });

  it('formats durations in the largest unit that gives at least two', () => {
    const printed = [0.25, 5.04, 9.9, 75.9, 119, 120, 7199, 7200, 90_061, 172_800].map(duration);
    expect(printed.join()).to.equal('0.3 s,5 s,9.9 s,75 s,119 s,2 min,119 min,2 h,25 h,2 d');
  });

  it('formats times in UTC, to the second', () => {
    expect(moment('2026-11-28 10:00:01.9+02')).to.equal('2026-11-28T08:00:01Z');
    expect(moment(new Date(0))).to.equal('1970-01-01T00:00:00Z');
    expect(stamp(new Date('2026-11-28T10:00:01.9Z'))).to.equal('20261128_100001');
  });

  it('formats numbers with nouns, and lists', () => {
    expect([0, 1, 2, 3n].map((number) => countOf(number, 'row'))).to.deep.equal([
      '0 rows',
      '1 row',
      '2 rows',
      '3 rows',
    ]);
    expect(countOf(2, 'policy', 'policies')).to.equal('2 policies');
    expect(list(['a', 'b', 'c'], 3)).to.equal('a, b, c');
    expect(list(['a', 'b', 'c'], 1)).to.equal('a, 2 more');
  });
});

describe('command-line.ts', () => {
  it('names commands as they run in a checkout, in a deployed build, and in a project of a user', () => {
    const checkout = join(import.meta.dirname, '..');
    expect(commandLine('backup', '--list', checkout)).to.equal('npm run backup -- --list');
    expect(commandLine('backup', '', checkout)).to.equal('npm run backup');
    const other = mkdtempSync(join(tmpdir(), 'undrop-deployed-'));
    try {
      writeFileSync(join(other, 'package.json'), readFileSync(join(checkout, 'package.json')));
      expect(commandLine('backup', '--list', other)).to.equal('npx undrop backup --list');
      mkdirSync(join(other, 'scripts'));
      writeFileSync(join(other, 'package.json'), '{ "name": "app" }');
      expect(commandLine('backup', '', other)).to.equal('npx undrop backup');
    } finally {
      rmSync(other, { recursive: true });
    }
  });
});

describe('terminal.ts', () => {
  it('cuts a text and marks it as cut', () => {
    expect(cut('größe', 5)).to.equal('größe');
    expect(cut('größer', 5)).to.equal('größ…');
    expect(cut('表表表', 5)).to.equal('表表…');
    expect(cut('表表表', 4)).to.equal('表…');
    expect(cut('👨‍👩‍👧e\u0301e\u0301', 3)).to.equal('👨‍👩‍👧…');
  });

  it('aligns cells, omits empty columns and escapes control characters', () => {
    const rows = [
      ['ok', '', '表', 'found'],
      ['failed', '', 'b\u001b[0m', ''],
    ];
    expect(align(rows, '  ')).to.deep.equal(['  ok      表          found', '  failed  b\\u001b[0m']);
    expect(
      align(
        [
          ['a', '1', ''],
          ['b', '100', ''],
        ],
        '',
        [{}, { right: true }],
      ),
    ).to.deep.equal(['a    1', 'b  100']);
    expect(align([])).to.deep.equal([]);
  });

  it('wraps the last cell at spaces, with its lines below each other', () => {
    const words = Array.from({ length: 40 }, (_, index) => `word${index}`).join(' ');
    const lines = align([
      ['kept', words],
      ['removed', 'short'],
    ]);
    expect(lines.length).to.be.greaterThan(3);
    for (const line of lines) expect(stringWidth(line), line).to.be.at.most(100);
    expect(lines.slice(1, -1).every((line) => /^ {9}word/.test(line))).to.equal(true);
    expect(lines.slice(0, -1).join(' ').replace('kept', '').trim().split(/ +/)).to.deep.equal(
      words.split(' '),
    );
  });

  it('prints a cell that is too wide on a line of its own', () => {
    const rows = [
      ['a', '1', 'why'],
      ['x'.repeat(12), '2', 'why not'],
    ];
    const lines = align(rows, ' ', [{ most: 10 }, { right: true }]);
    expect(lines).to.deep.equal([' a           1  why', ' xxxxxxxxxxxx', '             2  why not']);
  });

  it('breaks no word, and leaves the last cell a minimum width', () => {
    const path = '/'.padEnd(140, 'x');
    expect(wrap('  ', `in ${path} it is`)).to.deep.equal(['  in', `  ${path}`, '  it is']);
    const lines = align([[path, 'one two three four five six seven']]);
    expect(lines).to.deep.equal([`${path}  one two three four five six`, `${' '.repeat(142)}seven`]);
  });
});

describe('markdown.ts', () => {
  it('formats a text as code that the text cannot end', () => {
    expect(code('a`b|c\n')).to.equal('`a\\u0060b\\u007cc\\u000a`');
    expect(code(' ')).to.equal('');
    expect(fenced('sql', ['a\n```\nb'])).to.deep.equal(['````sql', 'a', '```', 'b', '````']);
  });

  it('formats tables', () => {
    expect(markdownTable(['a', 'b'], [['x', 1]], ['---', '--:'])).to.deep.equal([
      '| a | b |',
      '| --- | --: |',
      '| x | 1 |',
    ]);
  });
});
