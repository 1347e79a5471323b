import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { inFolder } from './support/packed.ts';

const root = join(import.meta.dirname, '..');

describe('docs/api.md', () => {
  it('is the output of npm run api', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'undrop-api-'));
    try {
      await inFolder(root, `npm run --silent api -- --out ${folder}`, { npm_config_prefer_offline: 'true' });
      const made = readFileSync(join(folder, 'api.md'), 'utf8');
      expect(readFileSync(join(root, 'docs/api.md'), 'utf8'), 'run npm run api').to.equal(made);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
