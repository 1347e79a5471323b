import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UndropError } from '../../errors.ts';
import { readSettings } from '../../knex/settings.ts';
import type { Target } from '../../knex/target.ts';
import { inSession } from '../../session/session.ts';
import type { Manifest } from '../manifest.ts';
import type { PgDump } from '../programs/find-pg-dump.ts';
import { compareWithManifest } from '../restore/compare-manifest.ts';
import { restoreInto } from '../restore/restore-into.ts';
import { withClient, withKnex, withScratch } from '../restore/scratch.ts';

/** Where a backup is restored to prove it. */
export interface ProofPlace {
  readonly target: Target;
  /** The URL of another server, or of another database of the same one; default: the server of the target. */
  readonly on?: string | undefined;
}

/**
 * Restores a backup into a database that is gone afterwards, and counts and compares what is there then.
 *
 * @param file where it lies now
 * @returns what differs although every table and every row came back: what pg_dump does not keep
 * @throws UndropError `backup-unproved`, `bad-options` where it would be the live database, `insufficient-privilege`,
 * `prerequisite-gone` where the other server lacks a role
 */
export async function proveRestore(
  file: string,
  manifest: Manifest,
  { target, on }: ProofPlace,
  pgDump?: PgDump,
  signal?: AbortSignal,
): Promise<{ differences: string[] }> {
  const restore = async (into: Target): Promise<{ differences: string[] }> => {
    await restoreInto(file, manifest, into, { pgDump, signal });
    const differences = await withKnex(into, (knex) =>
      inSession(knex, (session) => compareWithManifest(session, manifest), { onlyReads: true }),
    );
    return { differences };
  };
  if (target.embedded !== undefined) return onEmbedded(restore);
  const server = on === undefined ? target : await otherServer(on, target);
  return withScratch(server, manifest.database, 'proof', restore);
}

/** A fresh one: it has one database only. */
async function onEmbedded<T>(work: (target: Target) => Promise<T>): Promise<T> {
  const { startEmbedded } = await import('../../knex/embedded.ts');
  const folder = await mkdtemp(join(tmpdir(), 'undrop-proof-'));
  try {
    const embedded = await startEmbedded(folder);
    try {
      return await work({ settings: { ...embedded.settings, ssl: { mode: 'disable' } }, embedded });
    } finally {
      await embedded.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function otherServer(on: string, live: Target): Promise<Target> {
  const other = { settings: readSettings({ DATABASE_URL: on }), embedded: undefined };
  if (other.settings.password !== undefined) throw passwordShown();
  if ((await placeOf(other)) !== (await placeOf(live))) return other;
  throw new UndropError('bad-options', {
    subject: '--prove-on',
    message: `--prove-on names ${live.settings.database} itself, the database that is backed up.`,
    reason: 'A proof must not come near it.',
    next: 'Name another server, or another database of this one, such as postgres: a scratch database is made beside it.',
  });
}

function passwordShown(): UndropError {
  return new UndropError('bad-options', {
    subject: '--prove-on',
    message: '--prove-on has a password in it.',
    reason: 'Everybody on this machine can read the arguments of a program.',
    next: 'Leave it out of the URL, and keep it in ~/.pgpass or in the file that PGPASSFILE names.',
  });
}

// The names of hosts say nothing: many lead to one server.
async function placeOf(target: Target): Promise<string> {
  const { rows } = await withClient(target, (client) =>
    client.query<{ place: string }>(/* sql */ `
      select pg_catalog.concat_ws(' ', d.oid, d.datname, pg_catalog.pg_postmaster_start_time(),
        pg_catalog.current_setting('data_checksums'), pg_catalog.current_setting('port')) as place
      from pg_catalog.pg_database as d
      where d.datname = pg_catalog.current_database()`),
  );
  return rows[0]?.place ?? '';
}
