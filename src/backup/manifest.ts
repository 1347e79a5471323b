import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { UndropError } from '../errors.ts';

/** A file or a folder that pg_restore reads, or SQL that psql reads. */
export type BackupFormat = 'custom' | 'directory' | 'plain';

/** What was done to show that a backup holds what it should. */
export type Proof = 'off' | 'contents' | 'restore';

/** What lies beside a backup, as `<backup>.json`, so that the file says itself what it is. */
export interface Manifest {
  readonly manifestVersion: 1;
  readonly database: {
    readonly name: string;
    /** The random identity that the archive gives it; copies of a database carry the same one. */
    readonly identity: string;
    readonly oid: string;
    /** Of the cluster; empty where the role may not read it. */
    readonly systemIdentifier: string;
    readonly owner: string;
    readonly encoding: string;
    readonly collate: string;
    readonly ctype: string;
    /** `c`, `i` or `b`, as `datlocprovider` has it, and the locale of the latter two. */
    readonly provider: string;
    readonly locale: string | null;
  };
  readonly serverVersion: string;
  readonly pgDumpVersion: string;
  readonly host: string;
  readonly takenBy: string;
  /** ISO 8601, by the server's clock. */
  readonly startedAt: string;
  readonly finishedAt: string;
  /** The position in the write-ahead log just before the snapshot was taken. */
  readonly lsn: string;
  /** Without its folder. */
  readonly file: string;
  readonly format: BackupFormat;
  readonly bytes: number;
  /** Of the file; of a folder, of its list of files as `sha256sum` prints it, sorted by name. */
  readonly sha256: string;
  /** Of a folder: its files. */
  readonly files?: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
  readonly tables: readonly { readonly schema: string; readonly name: string; readonly rows: number }[];
  /** Of the facts: 3. None in manifests of the first one. */
  readonly factsVersion?: 3;
  /** For each object of the database a digest of its facts in that snapshot. */
  readonly facts: Readonly<Record<string, string>>;
  readonly proof: Proof;
  /** What a proof by restore has shown to come back otherwise: what pg_dump does not keep. */
  readonly differences: readonly string[];
}

export function manifestOf(file: string): string {
  return `${file}.json`;
}

/** A manifest as text; its last line is the checksum of what stands before. */
export function formatManifest(manifest: Manifest): string {
  const text = JSON.stringify(manifest, null, 1).replace(/\n\}$/, '');
  return `${text},\n "checksum": "${sha256(text)}"\n}\n`;
}

/**
 * The manifest beside a backup, and its own SHA-256.
 *
 * @throws UndropError `backup-unproved` where it is missing, was edited, or is of a newer version
 */
export async function readManifest(file: string): Promise<{ manifest: Manifest; sha256: string }> {
  const path = manifestOf(file);
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw unusable(path, error.message);
  });
  const [, body, checksum] = /^(.*),\n "checksum": "([0-9a-f]{64})"\n\}\n$/s.exec(text) ?? [];
  if (body === undefined || sha256(body) !== checksum) {
    throw unusable(path, 'It is not as it was written: its checksum does not fit what it says.');
  }
  const { checksum: _, ...manifest } = JSON.parse(text);
  if (manifest.manifestVersion !== 1) {
    throw unusable(path, `Its version is ${manifest.manifestVersion}, and this program knows version 1.`);
  }
  return { manifest, sha256: sha256(text) };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function unusable(path: string, reason: string): UndropError {
  return new UndropError('backup-unproved', {
    subject: path,
    message: `The manifest ${path} cannot be relied on.`,
    reason,
    next: 'Take another backup with npm run backup; what the file itself holds, pg_restore --list shows.',
  });
}
