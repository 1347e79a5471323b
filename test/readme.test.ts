import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { families } from '../src/catalog/families/index.ts';
import { type ErrorCode, exitCodeOf, UndropError } from '../src/errors.ts';
import { used } from '../src/knex/parameters.ts';
import { parseOptions } from '../src/options/options.ts';

const root = join(import.meta.dirname, '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const readme = read('README.md');
const reference = read('docs/reference.md');

/** Returns the rows of the first table below a heading of the reference, each cell as written. */
function tableOf(heading: string): string[][] {
  const [, section = ''] = reference.split(`\n## ${heading}`);
  const lines = (section.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('|'));
  return lines.slice(2).map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** Returns the texts between backquotes. */
function words(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
}

function firstWords(heading: string): string[] {
  return tableOf(heading).flatMap(([first = '']) => words(first));
}

function allMatches(text: string, pattern: RegExp): string[] {
  return [...new Set([...text.matchAll(pattern)].map(([, found = '']) => found))].sort();
}

const sources = ['src', 'scripts', 'seeds', 'migrations'].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => read(join(folder, file))),
);

/** All environment variables that are read by name, except those of the operating system. */
const variables = [
  ...new Set([...allMatches(sources.join('\n'), /\benv\.([A-Z][A-Z_]+)/g), ...Object.values(used)]),
]
  .filter((name) => !['APPDATA', 'PATH', 'USER'].includes(name))
  .sort();

describe('README', () => {
  const lines = readme.trimEnd().split('\n');

  it('has at most 200 lines', () => {
    expect(lines.length).to.be.at.most(200);
  });

  it('shows a migration within the first 10, its output within 30, and how to try it within 45', () => {
    expect(lines.slice(0, 10)).to.include('```js');
    expect(lines.slice(0, 30)).to.include('$ npx knex migrate:rollback');
    expect(lines.slice(0, 45)).to.include('npm ci && npm run demo');
  });

  it('has only blocks that test/package-readme.test.ts runs', () => {
    const fences = lines.filter((line) => /^```./.test(line));
    expect(fences).to.deep.equal(['```js', '```console', '```sh', '```sh', '```sh']);
  });
});

describe('README and docs', () => {
  const files = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)];

  for (const file of files.filter((name) => name.endsWith('.md')))
    it(`${file} links only to existing files and headings`, () => {
      for (const [, path = '', heading] of read(file).matchAll(
        /\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g,
      )) {
        const target = path === '' ? file : join(dirname(file), path);
        expect(existsSync(join(root, target)), `${file}: ${path}`).to.equal(true);
        if (heading !== undefined) expect(anchors(target), `${file}: ${path}`).to.include(heading);
      }
    });
});

describe('the reference', () => {
  it('lists every error code with its exit code', () => {
    const [, union = ''] = /type ErrorCode =([^;]+);/.exec(read('src/errors.ts')) ?? [];
    const codes = allMatches(union, /'([a-z-]+)'/g);
    const exits = codes.map((code) => [code, String(exitCodeOf(errorOf(code as ErrorCode)))]);
    const listed = tableOf('Errors').map(([code = '', exit]) => [words(code)[0], exit]);
    expect(listed.sort()).to.deep.equal(exits);
  });

  it('lists every option of reversibleDrop', () => {
    expect(firstWords('Options').sort()).to.deep.equal(knownOptions().sort());
  });

  it('lists every variable that is read, and so does .env.example', () => {
    expect(firstWords('Environment').sort()).to.deep.equal(variables);
    expect(allMatches(read('.env.example'), /^# ([A-Z][A-Z_]+)=/gm)).to.deep.equal(variables);
  });

  it('lists every command with its options', () => {
    const [, list = ''] = /const commands[^{]*\{([\s\S]*?)\n\};/.exec(read('scripts/undrop.ts')) ?? [];
    const commands = allMatches(list, /^ {2}'?([a-z-]+)'?: \[/gm);
    expect(firstWords('Commands').sort()).to.deep.equal(commands);
    for (const [name = '', , options = ''] of tableOf('Commands')) {
      const taken = allMatches(read(`scripts/${words(name)[0]}.ts`), /'(--[a-z-]+)[ ']/g);
      expect(allMatches(options, /(--[a-z-]+)/g), name).to.deep.equal(taken);
    }
  });
});

describe('README and reference', () => {
  it('name only existing npm scripts', () => {
    const { scripts } = JSON.parse(read('package.json'));
    const named = allMatches(readme + reference, /npm run (?:-s )?([a-z][a-z-]*)/g);
    expect(Object.keys(scripts)).to.include.members(named);
  });

  it('names only existing migrations', () => {
    const files = readdirSync(join(root, 'migrations')).map((file) => file.replace('.ts', ''));
    expect(files).to.include.members(allMatches(read('docs/runbook.md'), /\b(\d{3}_\w+)/g));
  });
});

describe('COVERAGE', () => {
  const listed = allMatches(read('COVERAGE.md'), /^\| ([A-Za-z]+) \|/gm);

  it('lists every family', () => {
    expect(listed).to.include.members(Object.keys(families));
  });

  it('lists only families and catalog readers', () => {
    const folders = ['src/catalog', 'src/catalog/families'];
    const files = folders.flatMap((folder) =>
      readdirSync(join(root, folder)).map((file) => file.replace('.ts', '')),
    );
    const others = [...Object.keys(families), 'family', 'other', 'server'];
    expect([...files, ...others]).to.include.members(listed);
  });
});

/** Returns the anchors of a Markdown file: its headings as GitHub writes them, and explicit ones. */
function anchors(file: string): string[] {
  const text = read(file);
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-'),
  );
  return [...headings, ...[...text.matchAll(/<a id="([^"]+)"/g)].map(([, id = '']) => id)];
}

function errorOf(code: ErrorCode): UndropError {
  return new UndropError(code, { subject: '', message: '', reason: '', next: '' });
}

/** Returns the options as listed in the error for an unknown option. */
function knownOptions(): string[] {
  try {
    parseOptions({ name: 'm', tables: ['t'], unknown: true } as never, {});
  } catch (error) {
    const [, list = ''] = /the options are (.*)$/m.exec((error as UndropError).reason) ?? [];
    return list.split(', ');
  }
  throw new Error('an unknown option was accepted');
}
