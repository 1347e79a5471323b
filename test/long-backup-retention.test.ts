import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import { manifestOf } from '../src/backup/manifest.ts';
import type { Ran } from './support/command.ts';
import { fakePgDump } from './support/fake-pg-dump.ts';
import { pgDump } from './support/pg-dump.ts';
import { makeProject, type Project } from './support/project.ts';
import type { TestDatabase } from './support/server.ts';
import { useServer } from './support/use-database.ts';

describe('backup --prune', () => {
  const server = useServer();
  let database: TestDatabase;
  let project: Project;
  let folder: string;

  before(() => {
    project = makeProject();
    rmSync(join(project.folder, 'migrations'), { recursive: true });
    mkdirSync(join(project.folder, 'migrations'));
    writeFileSync(
      join(project.folder, 'migrations/1_drop.js'),
      `import { reversibleDrop } from '../src/index.js';
      export const { up, down } = reversibleDrop({ name: '1_drop', tables: ['old'], backup: 'required' });`,
    );
  });

  after(() => project.remove());

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-kept-'));
    database = await server.createDatabase();
    await server.sql(database.name, 'create table old (id int); create table kept (id int)');
    await undrop(['status']);
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const env = (more: Record<string, string> = {}) => ({ DATABASE_URL: database.url, ...more });
  const undrop = (args: string[], more: Record<string, string> = {}): Promise<Ran> =>
    project.undropWith(args, { env: env(more) });
  const files = () => readdirSync(folder).filter((name) => name.startsWith('by_'));

  /** Takes a backup with a fake pg_dump that prints the dump of the judge. Needs no pg_dump. */
  async function take(): Promise<string> {
    const text = join(folder, 'text');
    // The dump is of a database that has no archive yet.
    await undrop(['backup', '--attest', 'none, only for the archive']);
    writeFileSync(text, await pgDump(database.url));
    const args = ['backup', '--json', '--dump-format', 'plain', '--folder', join(folder)];
    const ran = await undrop(args, { PG_DUMP: fakePgDump(folder, `cat '${text}'`) });
    expect(ran.status, ran.text).to.equal(0);
    return JSON.parse(ran.stdout).file;
  }

  it('removes all but the newest, with their manifests and records', async () => {
    const [first, second, third] = [await take(), await take(), await take()];
    const ran = await undrop(['backup', '--prune', '--keep', '2']);
    expect(ran.status, ran.text).to.equal(0);
    expect(ran.stdout).to.equal(`removed  ${first}\n`);
    expect(files().sort()).to.deep.equal(
      [second, third].flatMap((file) => [basename(file), basename(manifestOf(file))]).sort(),
    );
    const list = await undrop(['backup', '--list']);
    expect(list.stdout).to.include(second).and.to.include(third).and.not.to.include(first);
    expect((await undrop(['backup', '--prune', '--keep', '2'])).stdout).to.equal('No backups to remove.\n');
  });

  it('keeps a backup that a drop depends on until the drop is restored', async () => {
    const relied = await take();
    const latest = await project.knex('migrate:latest', { env: env() });
    expect(latest.status, latest.text).to.equal(0);
    const newer = await take();
    const kept = await undrop(['backup', '--prune', '--keep', '1']);
    expect(kept.stdout.replaceAll(/\s+/g, ' ')).to.equal(
      `kept ${relied} the drop by 1_drop depends on it and is not restored `,
    );
    expect((await undrop(['backup', '--list'])).stdout).to.include('1_drop relies on it');
    await project.knex('migrate:rollback', { env: env() });
    expect((await undrop(['backup', '--prune', '--keep', '1'])).stdout).to.equal(`removed  ${relied}\n`);
    expect(existsSync(newer)).to.equal(true);
  });

  it('keeps a file that differs from its record', async () => {
    const changed = await take();
    await take();
    writeFileSync(changed, 'something else');
    const ran = await undrop(['backup', '--prune', '--keep', '1']);
    expect(ran.stdout).to.match(/^kept {2}\S+ {2}Its size is 14 bytes/);
    expect(existsSync(changed)).to.equal(true);
  });

  it('refuses wrong usage', async () => {
    for (const args of [
      ['--prune'],
      ['--prune', '--keep', '0'],
      ['--keep', '1'],
      ['--list', '--prune', '--keep', '1'],
    ]) {
      expect((await undrop(['backup', ...args])).status, args.join(' ')).to.equal(2);
    }
    expect((await undrop(['backup', '--list', '--folder', folder])).status).to.equal(2);
  });
});
