import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { draw } from '../tools/picture.ts';
import { succeeded } from './support/command.ts';
import { makeProject, type Project } from './support/project.ts';

describe('the whole procedure on the embedded server', () => {
  let project: Project;

  before(() => {
    project = makeProject();
  });

  after(() => project.remove());

  it('is backup, latest, verify, rollback, as on any other', async () => {
    const seed = await succeeded(project.knex('seed:run'));
    expect(seed.stderr).to.equal('Database: embedded PostgreSQL in .undrop\n');
    const backup = await succeeded(project.undrop('backup --folder embedded'));
    expect(backup.stdout).to.include('proved').and.include(project.folder);
    const latest = await succeeded(
      project.knex('migrate:latest', { env: { APPROVED_DROPS: 'organizations' } }),
    );
    expect(latest.stdout).to.equal('Batch 1 run: 2 migrations\n');
    const verify = await succeeded(project.undrop('verify --expect 67'));
    expect(verify.stdout.match(/^ok /gm), verify.stdout).to.have.length(5);
    const rollback = await succeeded(project.knex('migrate:rollback'));
    expect(rollback.stdout).to.equal('Batch 1 rolled back: 2 migrations\n');
    const count = await succeeded(project.undrop('count-tables'));
    expect(count.stdout.split('\n')).to.have.length(75);
  });

  it('is run by the demo, which prints every number', async () => {
    const env = { DATABASE_URL: 'postgres://127.0.0.1:1/not_for_the_demo' };
    const { stdout, stderr } = await succeeded(project.undrop('demo', { env }));
    const [, table = ''] = stdout.split(' s:\n\n');
    expect(
      table
        .trimEnd()
        .split('\n')
        .map((line) => line.replaceAll(/ {2,}/g, '  ')),
    ).to.deep.equal([
      'ok  before  74 tables, 23 empty',
      'ok  backup  proved by contents',
      'ok  after 044  68 tables, 17 empty',
      'ok  verified  5 of 5 checks',
      'ok  after the rollback  74 tables, 23 empty',
      'ok  schema and rows, by pg_dump  identical',
      'ok  after 044 and 045  65 tables, 14 empty',
      'ok  after the rollback  74 tables, 23 empty',
      'ok  schema and rows, by pg_dump  identical',
    ]);
    expect(stderr).to.include('knex migrate:rollback restores them').and.not.include('not_for_the_demo');
    const picture = readFileSync(join(import.meta.dirname, '../docs/demo.svg'), 'utf8');
    expect(picture, 'run npm run picture').to.equal(draw(stderr));
  });
});
