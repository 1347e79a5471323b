import { cpSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Ran, runCommand } from './support/command.ts';
import { terminal } from './support/packed.ts';
import { dataText, schemaText, systemPgDump } from './support/pg-dump.ts';
import { makeProject, type Project } from './support/project.ts';
import { type TestDatabase, type TestServer, testServer } from './support/server.ts';
import { skip } from './support/skip.ts';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

/** The lines of the blocks of shell below a heading. */
function commands(heading: string): string[] {
  const [, section = ''] = readme.split(`\n### ${heading}`);
  const blocks = (section.split('\n##')[0] ?? '').matchAll(/^```sh\n(.*?)^```/gms);
  return [...blocks].flatMap(([, text = '']) => text.trimEnd().split('\n'));
}

describe('the runbook of the README, as printed', function () {
  this.timeout(300_000);
  let server: TestServer;
  let project: Project;
  let database: TestDatabase;

  before(async function () {
    server = await testServer();
    const native = await systemPgDump(server.major);
    if (native === undefined) skip(this, `no pg_dump of ${server.major} or later is installed`);
    project = makeProject();
    // It is what lets npm run and npx read TypeScript.
    cpSync(join(root, '.npmrc'), join(project.folder, '.npmrc'));
    for (const folder of ['core', 'workflows']) mkdirSync(join(project.folder, folder));
    database = await server.createDatabase();
    await run('npm run seed');
  });

  after(async () => {
    project?.remove();
    await server.dropDatabase('turing_restored');
  });

  async function run(line: string): Promise<Ran> {
    const [backup = ''] = line.includes('YYYY') ? readdirSync(join(project.folder, 'backups')) : [];
    const command = line.replace('by_pre_cleanup_YYYYMMDD_HHMMSS.dump', backup);
    const ran = await runCommand('sh', ['-c', command], {
      cwd: project.folder,
      env: { ...terminal(), DATABASE_URL: database.url },
    });
    expect(ran.status, `${command}\n${ran.text}`).to.equal(0);
    return ran;
  }

  const runAll = async (heading: string) => {
    const lines = commands(heading);
    expect(lines, heading).not.to.deep.equal([]);
    const said: string[] = [];
    for (const line of lines) said.push((await run(line)).stdout);
    return said;
  };

  const dump = async () => {
    const options = { exclude: ['undrop'] };
    return (await schemaText(database.url, options)) + (await dataText(database.url, options));
  };

  it('drops six tables, and three, and brings all of them back, by both ways', async () => {
    const before = await dump();
    await run('npm run backup');
    await runAll('Before deletion');
    const [, , count] = await runAll('Phase 2');
    expect(count).to.match(/^ *68\n$/);
    await runAll('Phase 3');

    const [rollback = '', verify = '', into = '', table = '', ...others] = commands('Rollback');
    expect(others).to.deep.equal([]);
    await run(rollback);
    await run(rollback);
    await run(verify);
    expect(await dump()).to.equal(before);

    await run('npx knex migrate:latest');
    await run(into);
    await run(table);
    await run(rollback);
    await run(verify);
    expect(await dump()).to.equal(before);
  });
});
