import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { copySources, inFolder, install } from './support/packed.ts';

describe('from Git', () => {
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-git-'));
  });

  after(() => rmSync(folder, { recursive: true, force: true }));

  it('is installed and built by npm, also by npm ci', async function () {
    this.timeout(1_800_000);
    const repository = join(folder, 'knex-undrop');
    copySources(repository);
    for (const command of [
      'init --quiet',
      'add --all',
      '-c user.name=test -c user.email=test@example.com commit --quiet --message=test',
    ])
      await inFolder(repository, `git ${command}`);

    const home = join(folder, 'app');
    mkdirSync(home);
    writeFileSync(join(home, 'package.json'), '{ "private": true }');
    await install(home, ['knex', 'pg', `git+${pathToFileURL(repository).href}`]);
    const help = () => inFolder(home, 'npx undrop --help');
    expect((await help()).stdout).to.include('Usage: undrop');

    rmSync(join(home, 'node_modules'), { recursive: true });
    await inFolder(home, 'npm ci --prefer-offline --no-audit --no-fund');
    expect((await help()).stdout).to.include('Usage: undrop');
    const { stdout } = await inFolder(home, `node -p Object.keys(require('knex-undrop')).join()`);
    expect(stdout).to.equal('UndropError,planDrop,reversibleDrop,undropConfig\n');
    const readme = readFileSync(join(home, 'node_modules/knex-undrop/README.md'), 'utf8');
    expect(readme).to.include('npm install git+');
  });
});
