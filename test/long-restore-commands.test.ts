import { expect } from 'chai';
import { succeeded } from './support/command.ts';
import { wholeText } from './support/pg-dump.ts';
import { makeProject, type Project } from './support/project.ts';
import { useDatabase, useServer } from './support/use-database.ts';

describe('restore by command', () => {
  const server = useServer();
  const { database } = useDatabase(server);
  let project: Project;

  before(() => {
    project = makeProject();
  });

  after(() => project.remove());

  const cleanup = '044_cleanup_legacy_tables';
  const env = () => ({ DATABASE_URL: database.url, UNDROP_BACKUP: 'off' });

  it('restores one table of 044 alone, and the rollback restores the others', async () => {
    const undrop = async (args: string) => (await succeeded(project.undrop(args, { env: env() }))).stdout;
    const knex = (args: string) => succeeded(project.knex(args, { env: env() }));
    await knex('seed:run');
    const before = await wholeText(database.url);
    await knex('migrate:latest');

    const plan = await undrop('restore --table career_analyses --dry-run');
    expect(plan)
      .to.contain('create table public.career_analyses')
      .and.match(/drop table public\..* cascade;\n$/);
    const restored = await undrop('restore --table career_analyses');
    expect(restored.split('\n')[0]).to.equal('restored  public.career_analyses');
    await undrop('verify --expect 69');
    expect((await undrop('status')).replaceAll(/\s+/g, ' ')).to.match(
      /1 of 6 tables restored, the last on \S+; 5 still dropped/,
    );

    const list = await undrop('archive');
    expect(list)
      .to.contain('1 of 6 tables restored, the others are in entry 2')
      .and.match(/^2 {2}044_cleanup_legacy_tables: .*\n {2}dropped .*\n {2}open$/m);
    const exported = await undrop('archive --export kept');
    expect(exported).to.contain('kept/044_cleanup_legacy_tables_2.sql');
    expect(await undrop('archive --prune')).to.match(
      /^kept {2}1 {2}044_cleanup_legacy_tables {2}its other tables/,
    );
    const wrong = [
      'restore --dry-run --mark-restored',
      'restore',
      'archive --entry 1',
      'archive --list --prune',
    ];
    const ran = await Promise.all(wrong.map((args) => project.undrop(args, { env: env() })));
    expect(ran.map(({ status }) => status)).to.deep.equal([2, 2, 2, 2]);
    await knex('migrate:rollback');
    await undrop('verify --expect 74');
    expect(await wholeText(database.url)).to.equal(before);

    await knex('migrate:latest');
    await undrop(`restore --migration ${cleanup}`);
    const rollback = await knex('migrate:rollback');
    expect(rollback.stderr).to.contain('already restored');
  });
});
