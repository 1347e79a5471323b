import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { ensureArchive } from '../src/archive/schema.ts';
import { type Manifest, readManifest } from '../src/backup/manifest.ts';
import { compareWithManifest } from '../src/backup/restore/compare-manifest.ts';
import { readStanding, writeRecord } from '../src/baseline/records.ts';
import { readFactDigests, readObjectDigests } from '../src/catalog/facts/fact-digests.ts';
import { planDrop, reversibleDrop } from '../src/index.ts';
import { inSession } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { tableFingerprint } from '../src/up/approve.ts';
import { verifyDatabase } from '../src/verify/verify.ts';
import { inCase } from './support/case-folders.ts';
import { statements } from './support/judges.ts';
import { refusalOf, withEnvironment } from './support/migrate.ts';
import { pgDump } from './support/pg-dump.ts';
import { skip } from './support/skip.ts';
import { useServer } from './support/use-database.ts';

// Written by version 0.1 on PostgreSQL 15.18, before servers wrote internal options: a dump of the database of
// `schema.sql` with a record and an entry, and the manifest of a backup of it.
const folder = join(import.meta.dirname, 'fixtures/version-0.1');
const read = (file: string) => readFileSync(join(folder, file), 'utf8');
const major = 15;

/** The tables without the archive, which `schema.sql` does not create. */
async function manifestOfUsers(): Promise<Manifest> {
  const { manifest } = await readManifest(join(folder, 'backup.dump'));
  return { ...manifest, tables: manifest.tables.filter(({ schema }) => schema !== 'undrop') };
}

const tables = { old_runs: 'Unused.', notes: 'Unused too.' };
const migration = reversibleDrop({
  name: '001_drop_old_runs',
  tables,
  dependents: 'cascade',
  rows: 'copy',
});

describe('data written by version 0.1', () => {
  const server = useServer();
  before(async function () {
    if (server.major < major || server.embedded)
      skip(this, `it is of PostgreSQL ${major}, and the embedded server has 32 bits`);
  });

  const only15 = (context: Mocha.Context) => {
    if (server.major !== major)
      skip(context, `digests of facts are compared within PostgreSQL ${major} only`);
  };

  /** Binds the record to the database that the dump was loaded into, since a dump does not keep OIDs. */
  const adopt = `
    update undrop.records set database = current_database(),
      database_oid = (select oid from pg_database where datname = current_database()),
      system_identifier = (select system_identifier::text from pg_control_system())`;

  it('restores an archive with rows', async () => {
    let wanted = '';
    await inCase(server, read('schema.sql'), async (_, { url }) => {
      wanted = await pgDump(url);
    });
    await inCase(server, read('archive.sql'), async (run, { url }) => {
      await quietly(() => run.down(migration));
      expect(statements(await pgDump(url, ['--exclude-schema=undrop']))).to.deep.equal(statements(wanted));
    });
  });

  it('compares a record with the database after the drop', async function () {
    only15(this);
    await inCase(server, read('archive.sql') + adopt, async ({ knex }) => {
      const { checks } = await inSession(knex, (session) => verifyDatabase(session, { strict: true }));
      const check = checks.find(({ name }) => name === 'nothing else changed');
      expect(check?.state, check?.found).to.equal('ok');
    });
  });

  it('compares a manifest with a database restored from a backup', async function () {
    only15(this);
    const manifest = await manifestOfUsers();
    await inCase(server, read('schema.sql'), async ({ knex, rows }) => {
      const compare = () => inSession(knex, (session) => compareWithManifest(session, manifest));
      expect(await compare()).to.deep.equal([]);
      await knex.raw(`alter table kept alter label set default 'none'`);
      const [column] = await rows<{ options: string[] | null }>(
        `select attoptions as options from pg_attribute where attrelid = 'kept'::regclass and attname = 'label'`,
      );
      const [said] = await compare();
      // The digest in the manifest may include internal options of a newer server.
      if (column?.options === null) expect(said).to.equal('differs: table column public.kept.label');
      else expect(said).to.match(/^not compared: 1 columns, because /);
    });
  });
});

// Servers since November 2026 write them for every new column; superusers can set them on any server.
const internal = (number: number) => `
  set allow_system_table_mods = on;
  update pg_attribute set attoptions = coalesce(attoptions, '{}') || array['pg_attver=${number}']
  where attrelid in ('old_runs'::regclass, 'kept'::regclass) and attnum > 0 and not attisdropped`;

describe('internal options of the server', () => {
  const server = useServer();
  const withInternal = (number: number, work: Parameters<typeof inCase>[2]) =>
    inCase(server, `${read('schema.sql')};${internal(number)}`, work);

  it('are left out of facts and DDL', async () => {
    const [facts, plans] = [new Set<string>(), new Set<string>()];
    const look: Parameters<typeof inCase>[2] = async ({ knex }) => {
      facts.add(JSON.stringify(await inSession(knex, (session) => readFactDigests(session))));
      const plan = await planDrop(knex, { name: 'm', tables: Object.keys(tables) });
      plans.add(JSON.stringify([plan.fingerprint, plan.statements, plan.tables]));
    };
    await inCase(server, read('schema.sql'), look);
    await withInternal(1, look);
    await withInternal(2, look);
    expect([facts.size, plans.size]).to.deep.equal([1, 1]);
    expect([...plans][0]).not.to.include('pg_attver');
  });

  it('do not invalidate an approval, a record or a manifest that holds them', async () => {
    await withInternal(1, async ({ knex, up, rows }) => {
      const drop = { name: 'm', tables: ['notes', 'old_runs'], approval: 'each-table' } as const;
      const approved = await inSession(knex, async (session) => {
        const [row] = await session.read<{ oid: number }>(
          `select 'public.old_runs'::regclass::oid::bigint as oid`,
        );
        return tableFingerprint(session, row?.oid ?? 0, 1);
      });
      expect(approved).to.match(/^[0-9a-f]{12}$/);
      await inSession(knex, async (session) => {
        const digests = await readObjectDigests(session, 1);
        const now = await readObjectDigests(session);
        expect(digests['table column public.kept.id']).not.to.equal(now['table column public.kept.id']);
        await ensureArchive(session);
        const standing = await readStanding(session);
        await writeRecord(
          session,
          { digests, surroundings: undefined, standing },
          { command: 'a test', backup: null },
        );
      });
      const migration = reversibleDrop({ ...drop, dependents: 'cascade', rows: 'copy' });
      const approve = (fingerprint: string) =>
        withEnvironment({ APPROVED_DROPS: `notes,old_runs@${fingerprint}` }, () =>
          quietly(() => up(migration)),
        );
      await refusalOf(approve('0123456789ab'), 'approval-stale');
      await approve(approved);
      expect(await rows('select from undrop.drops')).to.have.length(1);
      const { checks } = await inSession(knex, (session) => verifyDatabase(session, { strict: true }));
      const check = checks.find(({ name }) => name === 'nothing else changed');
      expect(check?.state, check?.found).to.equal('ok');
    });
  });

  it('are not compared with a manifest that holds them', async () => {
    const manifest = await manifestOfUsers();
    await withInternal(1, async ({ knex }) => {
      const facts = await inSession(knex, (session) => readFactDigests(session, 1));
      await knex.raw(internal(2));
      await knex.raw('drop index old_runs_lower_idx');
      const lines = await inSession(knex, (session) =>
        compareWithManifest(session, { ...manifest, serverVersion: server.version, facts }),
      );
      expect(lines).to.deep.equal([
        'missing: index public.old_runs_lower_idx',
        'not compared: 8 columns, because their digests in the manifest include options that the server sets itself',
      ]);
    });
  });
});
