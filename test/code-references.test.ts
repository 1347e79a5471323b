import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { makeScanner } from '../src/audit/code/scanner.ts';
import { type CodeSearch, parseRoots, searchCode } from '../src/audit/code/search.ts';
import { refusalOf } from './support/migrate.ts';
import { skip } from './support/skip.ts';

const names = ['orders', 'old_orders', 'status', 'users', 'my table', 'a.b', 'Mixed', 'größe'];
const tables = names.map((name, oid) => ({ oid, schema: 'public', name }));

describe('code references', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-code-'));
  });
  after(() => rmSync(folder, { recursive: true }));

  function tree(files: Record<string, string | Buffer>): string {
    const root = mkdtempSync(join(folder, 'tree-'));
    for (const [file, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      writeFileSync(join(root, file), text);
    }
    return root;
  }

  /** Returns the references as `file:line how`, by table. */
  function places(root: string, { references }: CodeSearch): Record<string, string[]> {
    return Object.fromEntries(
      [...references].map(([oid, found]) => [
        names[oid],
        found.map(({ file, line, how }) => `${file.slice(root.length + 1)}:${line} ${how}`),
      ]),
    );
  }

  async function search(files: Record<string, string | Buffer>) {
    const root = tree(files);
    const found = await searchCode([root], tables, names);
    return {
      ...found,
      places: places(root, found),
      missing: found.missing.map(({ name, file, line }) => `${name} ${file.slice(root.length + 1)}:${line}`),
    };
  }

  it('finds names as whole words, by file and line', async () => {
    const { places, files } = await search({
      'a.py': 'x = 1\nold_orders_2 = orders\nORDERS\nreorders borders_x\norders.orders\n',
      'b/c.txt': '(users)\n\nmy table\nmy tables\na.b\nxa.b\nMixed mixed größe\n',
    });
    expect(files).to.equal(2);
    expect(places).to.deep.equal({
      orders: ['a.py:2 word', 'a.py:5 word'],
      users: ['b/c.txt:1 word'],
      'my table': ['b/c.txt:3 word'],
      'a.b': ['b/c.txt:5 word'],
      Mixed: ['b/c.txt:7 word'],
      größe: ['b/c.txt:7 word'],
    });
  });

  it('parses SQL files: columns, comments and names of WITH queries are not tables', async () => {
    const { places, missing } = await search({
      'a.sql': [
        '-- old_orders is gone',
        'select status from orders where users = 1;',
        'with users as (select 1) select * from users;',
        'with old_orders as (select * from old_orders) select 1;',
        'drop table if exists',
        '  public."my table", other.orders;',
        'select * from ORDERS join nowhere on true;',
      ].join('\n'),
    });
    expect(places).to.deep.equal({
      orders: ['a.sql:2 sql', 'a.sql:7 sql'],
      old_orders: ['a.sql:4 sql'],
      'my table': ['a.sql:6 sql'],
    });
    expect(missing).to.deep.equal(['nowhere a.sql:7']);
  });

  it('finds words in function bodies, strings and unparsable SQL, and marks the last', async () => {
    const { places } = await search({
      'body.sql':
        'create function f() returns void language plpgsql as $$ begin delete from orders; end $$;\n' +
        "select pg_relation_size('users');\n",
      'psql.sql': '\\connect x\n-- orders\nselect 1;\ncopy users (a) from stdin;\norders\n\\.\nselect 2;\n',
      'broken.sql': 'selekt * from Orders;\n',
    });
    expect(places).to.deep.equal({
      orders: ['body.sql:1 word', 'broken.sql:1 unparsed'],
      users: ['body.sql:2 word', 'psql.sql:4 sql'],
    });
  });

  it('parses SQL in string literals of any language', async () => {
    const { places, missing } = await search({
      'a.ts': [
        'const a = `select status, #{column} from orders where id = #{id}`;'.replaceAll('#', '$'),
        "db.query('update users set status = $1', [orders]);",
        'q("select * from " + users);',
        "log('Select one of the orders');",
      ].join('\n'),
      'b.py': [
        'run("""',
        '  insert into Users (a) values (%(a)s, %s, :b)',
        '""")',
        'run("select * from {} join old_orders".format(x))',
        "run('delete from \\'orders\\'')",
      ].join('\n'),
      'c.sh': 'psql -c "select * from gone_table where x = \'$X\'"\n',
    });
    expect(places.orders).to.deep.equal(['a.ts:1 sql', 'a.ts:2 word', 'a.ts:4 unparsed', 'b.py:5 unparsed']);
    expect(places.users).to.deep.equal(['a.ts:2 sql', 'a.ts:3 word', 'b.py:2 sql']);
    expect(places.old_orders).to.deep.equal(['b.py:4 unparsed']);
    expect(places.status).to.equal(undefined);
    expect(missing).to.deep.equal(['gone_table c.sh:1']);
  });

  it('does not report relations that the code creates, or system relations, as missing', async () => {
    const { missing } = await search({
      'a.sql':
        'create temp table mine (id int); select * from mine; select * from pg_class, information_schema.tables;',
      'b.sql': 'select * from mine; insert into theirs select * from orders;',
    });
    expect(missing).to.deep.equal(['mine b.sql:1', 'theirs b.sql:1']);
  });

  it('skips binary files, ignored files and links', async () => {
    const root = tree({
      '.gitignore': '# c\n*.log\n/build/\n!keep.log\ndocs/**/*.tmp\n',
      'a.log': 'orders',
      'keep.log': 'orders',
      'build/a.txt': 'orders',
      'src/build/a.txt': 'orders',
      'docs/x/y.tmp': 'orders',
      'src/.gitignore': 'secret.txt\n',
      'src/secret.txt': 'orders',
      'secret.txt': 'orders',
      'node_modules/x.js': 'orders',
      '.git/config': 'orders',
      'image.png': Buffer.from('orders\0orders'),
    });
    symlinkSync(root, join(root, 'src/circle'));
    symlinkSync(join(root, 'gone'), join(root, 'dangling'));
    const found = await searchCode([root], tables, names);
    expect(places(root, found).orders).to.deep.equal([
      'keep.log:1 word',
      'secret.txt:1 word',
      'src/build/a.txt:1 word',
    ]);
    expect(found.unread).to.deep.equal([]);
    const inner = await searchCode([join(root, 'src')], tables, names);
    expect(inner.files).to.equal(2);
  });

  it('reads encodings other than UTF-8', async () => {
    const { places } = await search({
      'latin1.py': Buffer.from('# größe\nrun("select \'ä\' from orders")\n', 'latin1'),
      'utf16.sql': Buffer.from('\ufeffselect * from users;\n', 'utf16le'),
    });
    expect(places).to.deep.equal({ orders: ['latin1.py:2 sql'], users: ['utf16.sql:1 sql'] });
  });

  it('lists the files that it could not read', async function () {
    // Permissions do not stop root, but a name that is not UTF-8 cannot be opened.
    const root = tree({ 'a.txt': 'orders' });
    const name = Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe]), Buffer.from('.txt')]);
    try {
      writeFileSync(name, 'users');
    } catch {
      skip(this, 'the file system takes no such name');
    }
    const found = await searchCode([root], tables, names);
    expect(found.unread).to.have.length(1);
    expect(found.unread[0]).to.match(/could not be read: ENOENT$/);
  });

  it('rejects folders that do not exist', async () => {
    const error = await refusalOf(searchCode([join(folder, 'nowhere')], tables, names), 'bad-options');
    expect(error.message).to.include('nowhere cannot be searched');
    expect(parseRoots(' core, scripts,,')).to.deep.equal(['core', 'scripts']);
  });

  it('reads files of any size', async () => {
    const line = `${'x'.repeat(99)}\n`;
    const { places } = await search({ 'big.txt': `${line.repeat(30_000)}orders\n` });
    expect(places).to.deep.equal({ orders: ['big.txt:30001 word'] });
  });

  it('treats deeply nested or unterminated SQL as unparsable', async () => {
    const deep = `select ${'('.repeat(50_000)}1${')'.repeat(50_000)} from orders`;
    const { places } = await search({
      'deep.sql': deep,
      'open.py': `x = "select ${'a, '.repeat(5000)} orders`,
    });
    expect(places).to.deep.equal({ orders: ['deep.sql:1 unparsed', 'open.py:1 word'] });
  });

  it('scans for many names like grep -w', () => {
    const many = Array.from({ length: 10_000 }, (_, index) => `t_${index}`);
    const scanner = makeScanner(many);
    const hits = scanner.find(Buffer.from('t_0 t_9999,t_10000;xt_5 T_77'));
    expect(hits.map(({ name, offset }) => [name, offset])).to.deep.equal([
      [0, 0],
      [9999, 4],
      [77, 24],
    ]);
  });

  it('scans random texts with the same result as a search for each word', () => {
    let state = 7;
    const draw = (below: number) => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >> 8) % below;
    };
    const word = (letters: string, most: number) =>
      Array.from({ length: 1 + draw(most) }, () => letters[draw(letters.length)]).join('');
    for (let round = 0; round < 2000; round++) {
      const sought = [...new Set(Array.from({ length: 1 + draw(4) }, () => word('ab_1', 5)))];
      const text = word('aabb_1 .', 40);
      const expected = [...text.matchAll(/\w+/g)].flatMap(({ 0: found, index }) =>
        sought.includes(found) ? [[sought.indexOf(found), index]] : [],
      );
      const hits = makeScanner(sought).find(Buffer.from(text));
      expect(
        hits.map(({ name, offset }) => [name, offset]),
        `${sought} in "${text}"`,
      ).to.deep.equal(expected);
    }
  });
});
