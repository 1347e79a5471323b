import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { expect } from 'chai';
import { walk } from '../src/audit/code/walk.ts';

// In git, ? matches one byte; in the library, one character. The names contain two non-ASCII letters.
const files = [
  ...[
    'a',
    'b.txt',
    'B.txt',
    'c.log',
    'd d',
    'e ',
    'f[1]',
    'f1',
    'g*',
    '!h',
    '#i',
    'été.txt',
    'k\\l',
    'x~',
    '.env',
  ],
  ...['src/a', 'src/b.txt', 'src/c.log', 'src/build/out.js', 'src/build/deep/out.js', 'src/docs/a.tmp'],
  ...['build/out.js', 'build/keep.js', 'docs/a.tmp', 'docs/x/y.tmp', 'docs/x/y/z.tmp', 'docs/x/keep.tmp'],
  ...[
    's t/u v/w.txt',
    '[brackets]/a.txt',
    'lib/a.o',
    'lib/b.a',
    'lib/c.so',
    'lib/sub/d.o',
    'foo/bar/baz.txt',
  ],
];

/** Files with several lines, and combinations of files. */
const together: Record<string, string>[] = [
  { '.gitignore': '*\n!*/\n!*.txt\n' },
  { '.gitignore': '/*\n!/src\n/src/*\n!/src/build\n' },
  { '.gitignore': 'build\n!build/keep.js\n' },
  { '.gitignore': 'build/*\n!build/keep.js\n' },
  { '.gitignore': '\ufeff# a comment\r\n\r\n*.log\r\nbuild/  \r\n' },
  { '.gitignore': '*.tmp\n', 'docs/.gitignore': '!keep.tmp\n' },
  { '.gitignore': 'x/\n*.log\n', 'docs/.gitignore': '!x/\n' },
  { '.gitignore': 'x/\n*.tmp\n', 'docs/.gitignore': '!x/\n', 'docs/x/.gitignore': '!keep.tmp\n' },
  { 'docs/.gitignore': '/a.tmp\n', 'src/.gitignore': 'build/\n/docs/*.tmp\n' },
  { 'src/.gitignore': '# no\n!\n/\n//\nb.txt  \n' },
  { 'src/.gitignore': 'a\n!a\n\\!x\nbuild/deep\n' },
  { 'docs/x/.gitignore': '*\n!.gitignore\n!keep.tmp\n' },
  { '[brackets]/.gitignore': '/a.txt\n', 's t/.gitignore': 'u v/*\n', 's t/u v/.gitignore': '!w.txt' },
  { '.gitignore': 'src/*\n', 'src/.gitignore': '!build/\n', 'src/build/.gitignore': 'out.js\n!/out.js\n' },
  { '.gitignore': '**/deep/\n*.log\n', 'src/build/.gitignore': '!**/deep/\n' },
];

describe('.gitignore', () => {
  let folder: string;

  const git = { env: { PATH: process.env.PATH, HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1' } };

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-ignore-'));
    execFileSync('git', ['init', '--quiet', folder], git);
    for (const file of files) write(file, '');
  });

  after(() => rmSync(folder, { recursive: true }));

  function write(file: string, text: string): void {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }

  /** Returns the files that are not ignored, according to git and to `walk`. */
  function compare(ignores: Record<string, string>, root = '.'): { byGit: string[]; byWalk: string[] } {
    for (const [file, text] of Object.entries(ignores)) write(file, text);
    try {
      const { stdout, status } = spawnSync('git', ['check-ignore', '--no-index', '-z', '--stdin'], {
        ...git,
        cwd: folder,
        input: files.join('\0'),
        encoding: 'utf8',
      });
      expect([0, 1]).to.include(status);
      const left = new Set(stdout.split('\0'));
      return {
        byGit: files.filter((file) => !left.has(file)).sort(),
        byWalk: walk(join(folder, root))
          .files.map((file) => relative(folder, file))
          .filter((file) => !file.endsWith('.gitignore'))
          .sort(),
      };
    } finally {
      for (const file of Object.keys(ignores)) rmSync(join(folder, file));
    }
  }

  it('excludes nothing if it is missing', () => {
    const { byGit, byWalk } = compare({});
    expect(byGit).to.deep.equal([...files].sort());
    expect(byWalk).to.deep.equal(byGit);
  });

  for (const ignores of together)
    it(`interprets ${JSON.stringify(ignores)} as git does`, () => {
      const { byGit, byWalk } = compare(ignores);
      expect(byWalk).to.deep.equal(byGit);
      expect(byGit.length).to.be.lessThan(files.length);
    });

  it('applies to a folder below it that is searched alone, unless it excludes that folder', () => {
    const ignores = { '.gitignore': 'out.js\n/build/\n' };
    expect(compare(ignores, 'src/build').byWalk).to.deep.equal([]);
    expect(compare(ignores, 'build').byWalk).to.deep.equal(['build/keep.js', 'build/out.js']);
  });
});
