import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import createKnex from 'knex';
import { readManifest } from '../src/backup/manifest.ts';
import { measure } from '../src/backup/measure.ts';
import { backup } from '../src/backup/take/take-backup.ts';
import { startEmbedded } from '../src/knex/embedded.ts';
import { quietly } from '../src/text/log.ts';
import { refusalOf } from './support/migrate.ts';

describe('a backup of the embedded server', () => {
  it('has a manifest with the rows of the same snapshot', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'undrop-take-'));
    const embedded = await startEmbedded(folder);
    const target = { settings: { ...embedded.settings, ssl: { mode: 'disable' as const } }, embedded };
    const { password: _, ...connection } = embedded.settings;
    const knex = createKnex({ client: 'pg', connection, pool: { min: 0, max: 1 } });
    try {
      await knex.raw('create table t as select i from generate_series(1, 5) as i');
      const { file, sha256, format } = await quietly(() =>
        backup(knex, target, { folder: join(folder, 'backups') }),
      );
      const { manifest } = await readManifest(file);
      expect(manifest).to.deep.include({ ...(await measure(file)), format, sha256, proof: 'contents' });
      expect(manifest.tables).to.deep.include({ schema: 'public', name: 't', rows: 5 });
      expect(readFileSync(file, 'utf8')).to.include('CREATE TABLE public.t');
      const refused = backup(knex, target, { folder, format: 'custom', compress: '1' });
      expect((await refusalOf(refused, 'bad-options')).reason.split('\n')).to.have.length(2);
    } finally {
      await knex.destroy();
      await embedded.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
