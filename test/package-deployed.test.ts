import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Ran, runCommand, succeeded } from './support/command.ts';
import { buildCopy, inFolder, terminal } from './support/packed.ts';
import { nativeOrSkip, wholeText } from './support/pg-dump.ts';
import { makeProject, type Project } from './support/project.ts';
import { type TestDatabase, type TestServer, testServer } from './support/server.ts';

const runbook = readFileSync(join(import.meta.dirname, '../docs/runbook.md'), 'utf8');
const [, printed = ''] = /## From a pipeline\n.*?^```sh\n(.*?)^```/ms.exec(runbook) ?? [];
const [install = '', ...deploy] = printed
  .replace(/ +#.*$/gm, '')
  .trimEnd()
  .split('\n');
/** Environment variables that speed npm up. */
const quick = { npm_config_prefer_offline: 'true', npm_config_audit: 'false', npm_config_fund: 'false' };

const [oneTable = ''] = /restore -- --from-backup .* --table .*/.exec(runbook) ?? [];

const names = ['044_cleanup_legacy_tables', '045_cleanup_optional_tables'];

describe('the compiled build', () => {
  let server: TestServer;
  let folder: string;
  let production: string;
  let sources: Project;
  let database: TestDatabase;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-deployed-'));
    production = join(folder, 'production');
    mkdirSync(production);
    sources = makeProject('sources');
    [server] = await Promise.all([testServer(), buildCopy(join(folder, 'copy'))]);
    for (const part of ['dist', 'package.json', 'package-lock.json'])
      cpSync(join(folder, 'copy', part), join(production, part), { recursive: true });
    for (const command of install.split(' && ')) await inFolder(production, command, quick);
    database = await server.createDatabase();
    await viaSources('seed:run');
  });

  after(async () => {
    sources.remove();
    await server.dropDatabase(database.name);
    rmSync(folder, { recursive: true, force: true });
  });

  const env = () => ({
    DATABASE_URL: database.url,
    UNDROP_BACKUP: 'off',
    APPROVED_DROPS: 'organizations',
  });

  const viaSources = (command: string) => succeeded(sources.knex(command, { env: env() }));

  function viaBuild(command: string): Promise<Ran> {
    const knex = `npx knex ${command} --knexfile dist/knexfile.js`;
    return inFolder(production, knex, { ...env(), NODE_ENV: 'production' });
  }

  const dump = () => wholeText(database.url);

  async function recorded(): Promise<string[]> {
    const rows = await server.sql<{ name: string }>(
      database.name,
      'select name from undrop.knex_migrations order by id',
    );
    return rows.map(({ name }) => name);
  }

  it('has neither TypeScript, nor the embedded server, nor the .npmrc', () => {
    expect(readdirSync(production)).to.deep.equal([
      'dist',
      'node_modules',
      'package-lock.json',
      'package.json',
    ]);
    expect(readdirSync(join(production, 'node_modules'))).not.to.include('tsx');
    expect(readdirSync(join(production, 'node_modules'))).not.to.include('@electric-sql');
  });

  it('runs the commands of the runbook', async function () {
    await nativeOrSkip(this, server.major);
    const before = await dump();
    const env = { ...terminal(), DATABASE_URL: database.url };
    const ran = await runCommand('sh', ['-ec', deploy.join('\n')], { cwd: production, env });
    expect(ran.status, ran.text).to.equal(0);
    expect(ran.stdout).to.include('Batch 1 run: 1 migrations');

    const [backup = ''] = readdirSync(join(production, 'backups'));
    const restore = oneTable.replace('restore --', 'restore').replace(/by_pre_cleanup_\S*/, backup);
    expect((await inFolder(production, `npx undrop ${restore}`, env)).stdout).to.include('career_analyses');
    await viaBuild('migrate:rollback');
    expect(await dump()).to.equal(before);
  });

  it('rolls back migrations that ran from the sources', async () => {
    const before = await dump();
    await viaSources('migrate:latest');
    expect(await recorded()).to.deep.equal(names);
    expect((await viaBuild('migrate:list')).stdout).to.include('No Pending Migration files Found.');
    const rollback = await viaBuild('migrate:rollback');
    expect(rollback.stdout).to.include('Batch 1 rolled back: 2 migrations');
    expect(await recorded()).to.deep.equal([]);
    expect(await dump()).to.equal(before);
  });

  it('runs migrations that are rolled back from the sources', async () => {
    const before = await dump();
    await viaBuild('migrate:latest');
    expect(await recorded()).to.deep.equal(names);
    await inFolder(production, 'npx undrop verify --expect 67', { ...env(), NODE_ENV: 'production' });
    const rollback = await viaSources('migrate:rollback');
    expect(rollback.stdout).to.include('Batch 1 rolled back: 2 migrations');
    expect(await recorded()).to.deep.equal([]);
    expect(await dump()).to.equal(before);
  });
});
