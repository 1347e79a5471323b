import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { UndropError } from '../errors.ts';
import { commandLine } from '../text/command-line.ts';
import type { Prerequisites } from './prerequisites.ts';

/** `custom` and `directory` are read by pg_restore, `plain` by psql. */
export type BackupFormat = 'custom' | 'directory' | 'plain';

/** How a backup was proved: not at all, by reading its contents, or by restoring it. */
export type Proof = 'off' | 'contents' | 'restore';

/** The description of a backup, written beside it as `<backup>.json`. */
export interface Manifest {
  readonly manifestVersion: 1;
  readonly database: {
    readonly name: string;
    /** The random identity that the archive assigns to a database; a copy of the database has the same identity. */
    readonly identity: string;
    readonly oid: string;
    /** The system identifier of the cluster; empty if the role may not read it. */
    readonly systemIdentifier: string;
    readonly owner: string;
    readonly encoding: string;
    readonly collate: string;
    readonly ctype: string;
    /** `datlocprovider`: `c`, `i` or `b`, and the locale of the latter two. */
    readonly provider: string;
    readonly locale: string | null;
  };
  readonly serverVersion: string;
  readonly pgDumpVersion: string;
  readonly host: string;
  readonly takenBy: string;
  /** ISO 8601, from the server's clock. */
  readonly startedAt: string;
  readonly finishedAt: string;
  /** The position in the write-ahead log just before the snapshot was taken. */
  readonly lsn: string;
  /** The file name, without the folder. */
  readonly file: string;
  readonly format: BackupFormat;
  readonly bytes: number;
  /** The hash of the file; of a directory, the hash of the list that `sha256sum` prints for its files, sorted by name. */
  readonly sha256: string;
  /** The files of a directory. */
  readonly files?: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[];
  readonly tables: readonly {
    readonly schema: string;
    readonly name: string;
    readonly rows: number;
    /** The root of the partition tree through which the rows are dumped. A restore may move them to other partitions. */
    readonly root?: { readonly schema: string; readonly name: string };
  }[];
  /** Missing in manifests of earlier versions. */
  readonly prerequisites?: Prerequisites;
  /** The version of the facts: 3. Missing in manifests with facts of the first version. */
  readonly factsVersion?: 3;
  /** A digest of the facts of each object of the database in the snapshot. */
  readonly facts: Readonly<Record<string, string>>;
  readonly proof: Proof;
  /** The differences that a proof by restore has found: attributes that pg_dump does not keep. */
  readonly differences: readonly string[];
}

/** Returns the path of the manifest of a backup. */
export function manifestOf(file: string): string {
  return `${file}.json`;
}

/** Formats a manifest as text. Its last line is the checksum of the text before. */
export function formatManifest(manifest: Manifest): string {
  const text = JSON.stringify(manifest, null, 1).replace(/\n\}$/, '');
  return `${text},\n "checksum": "${sha256(text)}"\n}\n`;
}

/**
 * Reads the manifest of a backup. Returns it and the SHA-256 of its text.
 *
 * @throws UndropError `backup-unproved` if it is missing, was edited, or has a newer version
 */
export async function readManifest(file: string): Promise<{ manifest: Manifest; sha256: string }> {
  const path = manifestOf(file);
  const text = await readFile(path, 'utf8').catch((error: Error) => {
    throw unusable(path, error.message);
  });
  const [, body, checksum] = /^(.*),\n "checksum": "([0-9a-f]{64})"\n\}\n$/s.exec(text) ?? [];
  if (body === undefined || sha256(body) !== checksum) {
    throw unusable(path, 'Its checksum does not match its contents: it was edited or is incomplete.');
  }
  const { checksum: _, ...manifest } = JSON.parse(text);
  if (manifest.manifestVersion !== 1) {
    throw unusable(path, `Its version is ${manifest.manifestVersion}; this program supports version 1.`);
  }
  return { manifest, sha256: sha256(text) };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function unusable(path: string, reason: string): UndropError {
  return new UndropError('backup-unproved', {
    subject: path,
    message: `The manifest ${path} is not usable.`,
    reason,
    next: `Take another backup with ${commandLine('backup')}. To list the contents of this one, run pg_restore --list.`,
  });
}
