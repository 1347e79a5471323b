import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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
  it('has at most 250 lines, and a command to run within the first 20', () => {
    const lines = readme.trimEnd().split('\n');
    expect(lines.length).to.be.at.most(250);
    expect(lines.slice(0, 20)).to.include('npm ci && npm run demo');
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

  it('has only commands in the runbook that docs/runbook.md has, which are tested', () => {
    const [, runbook = ''] = /\n## Runbook(.*?)\n### From a pipeline/s.exec(readme) ?? [];
    const used = [...runbook.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block = '']) =>
      block.trimEnd().split('\n').map(bare),
    );
    const run = [...read('docs/runbook.md').matchAll(/^\$ (.*)$/gm)].map(([, line = '']) => bare(line));
    // This command is tested in test/package-deployed.test.ts.
    const others = used.filter((line) => !line.endsWith('--table career_analyses'));
    expect(others.length).to.be.greaterThan(8);
    for (const line of others)
      expect(
        run.some((one) => one.startsWith(line)),
        line,
      ).to.equal(true);
  });

  it('names only existing migrations', () => {
    const files = readdirSync(join(root, 'migrations')).map((file) => file.replace('.ts', ''));
    expect(files).to.include.members(allMatches(readme, /\b(\d{3}_\w+)/g));
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

/** Returns a command without its comment and without the parts that differ between the two texts. */
function bare(line: string): string {
  return line
    .replace(/ +# .*$/, '')
    .replace('npm run -s ', 'npm run ')
    .replace(/by_pre_cleanup_\S*\.dump/, 'the backup')
    .replace('APPROVED_BY=xai ', '');
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
