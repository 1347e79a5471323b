import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UndropError } from '../../errors.ts';
import type { Target } from '../../knex/target.ts';
import { targetOfOption } from '../../knex/target-of-option.ts';
import { readRows } from '../../session/read-rows.ts';
import { inSession } from '../../session/session.ts';
import { commandLine } from '../../text/command-line.ts';
import { unlessAborted } from '../../text/unless-aborted.ts';
import type { Manifest } from '../manifest.ts';
import type { PgDump } from '../programs/find-pg-dump.ts';
import { compareWithManifest, missingIn } from '../restore/compare-manifest.ts';
import { restoreInto } from '../restore/restore-into.ts';
import { withClient, withKnex, withScratch } from '../restore/scratch.ts';
import { shorten } from '../shorten.ts';

/** The server on which a backup is restored to prove it. */
export interface ProofPlace {
  readonly target: Target;
  /** The URL of another server, or of another database of the same server. Default: the server of the target. */
  readonly on?: string | undefined;
}

/**
 * Restores a backup into a scratch database, counts the rows of every table and compares the facts of every object. The
 * scratch database is dropped afterwards.
 *
 * @param file the current path of the backup
 * @returns the differences in a backup with all tables, rows and objects: attributes that pg_dump does not keep
 * @throws UndropError `backup-unproved`, `bad-options` if `on` is the live database, `insufficient-privilege`,
 * `prerequisite-gone` if a role does not exist on the other server
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
    const missing = missingIn(differences);
    if (missing.length > 0) throw lacks(file, missing);
    return { differences };
  };
  if (target.embedded !== undefined) return onEmbedded((into) => unlessAborted(signal, restore(into)));
  const server = on === undefined ? target : await otherServer(on, target);
  return withScratch(server, manifest.database, 'proof', restore, signal);
}

function lacks(file: string, missing: readonly string[]): UndropError {
  return new UndropError('backup-unproved', {
    subject: file,
    message: `The database restored from ${file} lacks ${missing.length} objects.`,
    reason: shorten(missing).join('\n'),
    next: `Take another backup with ${commandLine('backup')}.`,
  });
}

/** Runs the work on a new embedded server, since an embedded server has a single database. */
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
  const other = await targetOfOption('--prove-on', on);
  if ((await placeOf(other)) !== (await placeOf(live))) return other;
  throw new UndropError('bad-options', {
    subject: '--prove-on',
    message: `--prove-on must not be ${live.settings.database}, the database that is backed up.`,
    reason: 'A proof does not connect to the live database.',
    next: 'Name another server, or another database of this one, such as postgres. The backup is restored into a scratch database.',
  });
}

/** Returns a text that identifies the server and the database. Host names do not, since a server can have several. */
async function placeOf(target: Target): Promise<string> {
  const [found] = await withClient(target, (client) =>
    readRows<{ place: string }>(
      client,
      /* sql */ `
      select pg_catalog.concat_ws(' ', d.oid, d.datname, pg_catalog.pg_postmaster_start_time(),
        pg_catalog.current_setting('data_checksums'), pg_catalog.current_setting('port')) as place
      from pg_catalog.pg_database as d
      where d.datname = pg_catalog.current_database()`,
    ),
  );
  return found?.place ?? '';
}
