import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import { type Ran, withoutProgress } from './support/command.ts';
import { inFolder, install, pack } from './support/packed.ts';
import { pgDump } from './support/pg-dump.ts';
import type { TestDatabase } from './support/server.ts';
import { useServer } from './support/use-database.ts';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');
const blocks = (language: string) =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text = '']) => text);
const commandsOf = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/ +#.*$/, ''));

const [migration = ''] = blocks('js');
const [shown = ''] = blocks('console');
const [demo = '', installing = '', dropping = ''] = blocks('sh');
const [, file = ''] = /^(\d{14}_\w+): 1 table dropped/m.exec(shown) ?? [];

/** Replaces what differs between runs. */
function plain(text: string): string {
  return text
    .replace(/ on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d[.\d]*\+00$/gm, ' on <time>')
    .replace(/, [0-9a-f]{12}\)/g, ', <digest>)');
}

// As printed, in a project that has the tables of examples/schema.sql.
describe('README.md, as a new user follows it', () => {
  const server = useServer();
  let database: TestDatabase;
  let folder: string;
  let untouched: string;

  const run = (command: string): Promise<Ran> => inFolder(folder, command, { DATABASE_URL: database.url });
  const dump = () =>
    pgDump(database.url, ['--exclude-schema=undrop*', '--exclude-table=public.knex_migrations*']);

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-readme-'));
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
    writeFileSync(
      join(folder, 'knexfile.js'),
      `export default { client: 'pg', connection: process.env.DATABASE_URL };\n`,
    );
    for (const name of ['migrations', 'src']) mkdirSync(join(folder, name));
    writeFileSync(join(folder, 'src/app.js'), `await knex('customers').select();\n`);
    database = await server.createDatabase();
    await server.sql(database.name, readFileSync(join(root, 'examples/schema.sql'), 'utf8'));
    untouched = await dump();
  });

  after(async () => {
    rmSync(folder, { recursive: true, force: true });
    await server.dropDatabase(database.name);
  });

  it('installs the packed file', async () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(commandsOf(demo)).to.deep.equal(['npm ci && npm run demo']);
    expect(scripts).to.include.keys('demo', 'prepare');
    const [packing, installed, ...others] = commandsOf(installing);
    expect(others).to.deep.equal([]);
    expect(packing).to.equal('npm ci && npm pack');
    const tarball = await pack();
    expect(installed).to.equal(`npm install ../knex-undrop/${basename(tarball)}`);
    cpSync(tarball, join(folder, basename(tarball)));
    await install(folder, ['knex', 'pg', `./${basename(tarball)}`]);
  });

  it('prints what the README shows of its migration', async () => {
    writeFileSync(join(folder, 'migrations', `${file}.js`), migration);
    let said = '';
    for (const [, command = ''] of shown.matchAll(/^\$ (.*)$/gm)) {
      const { stderr, stdout } = await run(command);
      said += `$ ${command}\n${stderr}${stdout}`;
    }
    expect(plain(withoutProgress(said))).to.equal(plain(shown));
    expect(await dump()).to.equal(untouched);
    rmSync(join(folder, 'migrations', `${file}.js`));
  });

  it('drops a table with the commands of the README, and restores it', async () => {
    const ran: Record<string, Ran> = {};
    for (const command of commandsOf(dropping)) {
      const done = await run(command);
      ran[command.split(' ').slice(1, 3).join(' ')] = done;
      if (command.includes('latest')) expect(await dump()).not.to.include('CREATE TABLE public.old_runs');
    }
    expect(ran['undrop audit']?.stdout).to.include('old_runs');
    expect(ran['undrop make']?.stdout).to.match(/^migrations\/\d{14}_drop_old_runs\.js\n/);
    expect(ran['undrop preflight']?.stdout).to.include('up would drop its tables');
    expect(ran['undrop verify']?.stdout).to.match(/^ok +nothing else changed/m);
    expect(ran['knex migrate:rollback']?.stderr).to.include('1 table restored');
    expect(await dump()).to.equal(untouched);
  });
});
