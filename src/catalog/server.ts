import { UndropError } from '../errors.ts';

/** What this server can do, by name: the only place that compares version numbers. */
export interface Server {
  /** As `server_version` prints it, `15.18 (Debian …)`. */
  readonly version: string;
  readonly major: number;
  /** NOT NULL constraints are rows of pg_constraint, with names (18). */
  readonly namedNotNull: boolean;
  /** A child may say how it generates a column that its parent generates too (16); before, it must not. */
  readonly generatedInChildren: boolean;
  /** A publication may name columns and filter rows (15). */
  readonly publicationColumns: boolean;
  /** Membership in a role may come without the right to act as it (16). */
  readonly setOption: boolean;
  /** Sequences may be unlogged (15); before, those of unlogged tables are logged too. */
  readonly unloggedSequences: boolean;
  /** Says when a table or index was last read (16). */
  readonly lastReads: boolean;
  /** Rows may be sent to it by COPY; the embedded one loses the protocol over them. */
  readonly copyIn: boolean;
}

const oldest = 14;
const newest = 18;

/**
 * @param versionNumber `server_version_num`, such as 150018
 * @param build as `version()` says it
 * @throws UndropError `unsupported-server`
 */
export function describeServer(version: string, versionNumber: number, build = version): Server {
  const major = Math.floor(versionNumber / 10_000);
  if (major < oldest || major > newest) {
    throw new UndropError('unsupported-server', {
      subject: `PostgreSQL ${version}`,
      message: `PostgreSQL ${version} is not supported.`,
      reason: `What a drop takes along is known, and tested, for PostgreSQL ${oldest} to ${newest}.`,
      next: major < oldest ? `Upgrade the server to ${oldest} or later.` : 'Use a newer knex-undrop.',
    });
  }
  return {
    version,
    major,
    namedNotNull: major >= 18,
    generatedInChildren: major >= 16,
    publicationColumns: major >= 15,
    setOption: major >= 16,
    unloggedSequences: major >= 15,
    lastReads: major >= 16,
    copyIn: !build.includes('PGlite'),
  };
}
