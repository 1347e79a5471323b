import { execFileSync } from 'node:child_process';
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
      orders: ['a.py:2 word', 'a.py:3 word', 'a.py:5 word'],
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

  // Each statement names the table orders.
  const statements = [
    "\\copy orders from 'x.csv'",
    '  \\copy (select 1) to orders.csv',
    '\\d orders',
    'select null::orders;',
    'select json_populate_record(null::public.orders, x) from users;',
    "select 'it''s' || 'orders'::text;",
    'select orders.id',
    'drop trigger x on orders;',
    'drop policy x on orders;',
    'drop rule x on orders;',
    'alter sequence s owned by orders.id;',
    'alter table x rename to orders;',
    'alter table x set schema orders;',
    'comment on constraint c on orders is null;',
    'comment on trigger c on orders is null;',
    'comment on policy c on orders is null;',
    'comment on rule c on orders is null;',
    'alter trigger x on orders rename to y;',
    'alter trigger x on orders depends on extension e;',
    'alter policy x on orders rename to y;',
    'alter extension e add table orders;',
    'alter publication p add table only orders;',
    'create function f() returns setof orders language sql as $$ select 1 $$;',
    'create function f(x orders) returns int language sql return 1;',
    'create type t as (x orders);',
    'create table t of orders;',
    'create table t (x orders);',
    'create table t (like orders);',
    'create table t (x int references orders);',
    'create cast (orders as text) with inout;',
    "create event trigger x on sql_drop when tag in ('orders') execute function f();",
    "create subscription s connection 'x' publication orders;",
    "create trigger t after insert on x execute function f('orders');",
    'create statistics s on a, b from orders;',
    'grant select on orders to x;',
    'lock orders;',
    'cluster orders using i;',
    'vacuum orders;',
    'analyze orders (a);',
    'reindex table orders;',
    'refresh materialized view orders;',
    'prepare p as select * from orders;',
    'declare c cursor for table orders;',
    'security label on table orders is null;',
    'do $$ begin perform 1 from orders; end $$;',
    'select * from users for update of orders;',
  ];
  for (const statement of statements)
    it(`finds the table in ${statement}`, async () => {
      const { places } = await search({ 'a.sql': `select 1;\n${statement}\n` });
      expect(places.orders?.map((place) => place.replace(/ .*/, ''))).to.deep.equal(['a.sql:2']);
    });

  it('leaves out columns and comments of all statements', async () => {
    const { places } = await search({
      'a.sql': [
        'create table x (orders int, b text check (x.orders > 0)); -- orders',
        '/* orders',
        ' orders */ create view v as select x.orders, orders from x;',
        'update x set orders = 1 where orders = 2;',
        'insert into x (orders) values (1);',
        'select o.id, orders.id from users as o, x as orders;',
      ].join('\n'),
    });
    expect(places.orders).to.equal(undefined);
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

  it('finds a table behind an escape sequence in SQL', async () => {
    const { places } = await search({ 'a.js': 'q("delete from\\norders")\n' });
    expect(places).to.deep.equal({ orders: ['a.js:1 sql'] });
  });

  it('does not report relations that the code creates, or system relations, as missing', async () => {
    const { missing } = await search({
      'a.sql':
        'create temp table mine (id int); select * from mine; select * from pg_class, information_schema.tables;',
      'b.sql': 'select * from mine; insert into theirs select * from orders;',
    });
    expect(missing).to.deep.equal(['mine b.sql:1', 'theirs b.sql:1']);
  });

  const git = (root: string, ...args: string[]) =>
    execFileSync('git', ['-C', root, '-c', 'user.name=x', '-c', 'user.email=x@example.org', ...args], {
      env: { PATH: process.env.PATH, HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1' },
      stdio: 'pipe',
    });

  it('leaves out pictures, ignored files and folders of packages', async () => {
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
      'image.png': Buffer.from('orders\0orders'),
    });
    git(root, 'init', '--quiet');
    const found = await searchCode([root], tables, names);
    expect(places(root, found).orders).to.deep.equal([
      'keep.log:1 word',
      'secret.txt:1 word',
      'src/build/a.txt:1 word',
    ]);
    expect(found.unread).to.deep.equal([]);
    const inner = await searchCode([join(root, 'src')], tables, names);
    expect(inner.files).to.equal(2);
    const ignored = await searchCode([join(root, 'build')], tables, names);
    expect(ignored.files).to.equal(1);
  });

  it('reads ignored files that are tracked, and all files if there is no Git', async () => {
    const root = tree({ '.gitignore': '*.cfg\n', 'a.cfg': 'orders', 'b.cfg': 'users', 'c.txt': 'status' });
    const read = async () =>
      Object.values(places(root, await searchCode([root], tables, names)))
        .flat()
        .sort();
    expect(await read()).to.deep.equal(['a.cfg:1 word', 'b.cfg:1 word', 'c.txt:1 word']);
    git(root, 'init', '--quiet');
    git(root, 'add', '--force', 'a.cfg');
    expect(await read()).to.deep.equal(['a.cfg:1 word', 'c.txt:1 word']);
    const { PATH } = process.env;
    process.env.PATH = '/nonexistent';
    try {
      expect(await read()).to.have.length(3);
    } finally {
      process.env.PATH = PATH;
    }
  });

  it('reads repositories inside a repository, and lists submodules that are not checked out', async () => {
    const root = tree({ 'inner/.gitignore': '*.log\n', 'inner/a.log': 'orders', 'inner/a.txt': 'orders' });
    for (const folder of [root, join(root, 'inner')]) git(folder, 'init', '--quiet');
    const found = await searchCode([root], tables, names);
    expect(places(root, found).orders).to.deep.equal(['inner/a.txt:1 word']);
    git(root, 'update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},empty`);
    mkdirSync(join(root, 'empty'));
    const { unread } = await searchCode([root], tables, names);
    expect(unread).to.deep.equal([`${join(root, 'empty')} is a submodule that is not checked out`]);
  });

  it('follows links, and lists those that it cannot follow', async () => {
    const other = tree({ 'lib/b.txt': 'users', 'c.txt': 'status' });
    const root = tree({ 'src/a.txt': 'orders' });
    symlinkSync(root, join(root, 'src/circle'));
    symlinkSync(join(root, 'src'), join(root, 'again'));
    symlinkSync(join(other, 'lib'), join(root, 'lib'));
    symlinkSync(join(other, 'c.txt'), join(root, 'c.txt'));
    symlinkSync(other, join(other, 'lib/circle'));
    symlinkSync('gone', join(root, 'dangling'));
    symlinkSync('..', join(root, 'up'));
    for (const prepare of [() => undefined, () => git(root, 'init', '--quiet')]) {
      prepare();
      const found = await searchCode([root], tables, names);
      expect(places(root, found)).to.deep.equal({
        orders: ['src/a.txt:1 word'],
        users: ['lib/b.txt:1 word'],
        status: ['c.txt:1 word'],
      });
      expect(found.unread).to.have.length(2);
      expect(found.unread[0]).to.equal(`${join(root, 'dangling')} could not be read: ENOENT`);
      expect(found.unread[1]).to.match(/up was not followed: it is a link to .*, which contains the root$/);
    }
  });

  it('reads encodings other than UTF-8', async () => {
    const latin1 = Buffer.from('# größe\nrun("select \'ä\' from orders")\n', 'latin1');
    const mark = '\ufeff';
    const sql = 'select * from users;\n';
    const { places, unread } = await search({
      'latin1.py': latin1,
      'utf16le.sql': Buffer.from(mark + sql, 'utf16le'),
      'utf16be.sql': Buffer.from(mark + sql, 'utf16le').swap16(),
      'unmarked-le.sql': Buffer.from(sql, 'utf16le'),
      'unmarked-be.sql': Buffer.from(sql, 'utf16le').swap16(),
    });
    expect(unread).to.deep.equal([]);
    expect(places.orders).to.deep.equal(['latin1.py:2 sql']);
    expect(places.users?.sort()).to.deep.equal([
      'unmarked-be.sql:1 sql',
      'unmarked-le.sql:1 sql',
      'utf16be.sql:1 sql',
      'utf16le.sql:1 sql',
    ]);
  });

  it('lists binary files that may contain code', async () => {
    const binary = Buffer.from('\x7fELF\0\0orders\0\0\x01');
    const { unread, files } = await search({ 'app.jar': binary, 'a.pyc': binary, 'a.woff2': binary });
    expect(files).to.equal(0);
    expect(unread.map((line) => line.replace(/^.*\//, ''))).to.deep.equal([
      'a.pyc is not a text file',
      'app.jar is not a text file',
    ]);
  });

  it('refuses the folder of this package, and leaves it out below a root', async () => {
    const own = join(import.meta.dirname, '..');
    for (const root of [own, join(own, 'scripts'), join(own, 'seeds/01_turing.ts')]) {
      const error = await refusalOf(searchCode([root], tables, names), 'bad-options');
      expect(error.message).to.include('is that of knex-undrop, not that of your application');
    }
    const root = tree({ 'a.txt': 'orders' });
    symlinkSync(own, join(root, 'undrop'));
    expect((await searchCode([root], tables, names)).files).to.equal(1);
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
