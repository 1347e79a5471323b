import { UndropError } from '../errors.ts';

/** The server that a session is on. */
export interface Server extends Features {
  /** As `server_version` prints it, `15.18 (Debian …)`. */
  readonly version: string;
  readonly major: number;
  /** Rows may be sent to it by COPY; the embedded one loses the protocol over them. */
  readonly copyIn: boolean;
  /** Several sessions can be connected to it at a time; to the embedded one only one. */
  readonly shared: boolean;
  /** It can look whether a client is still there while it works for it. Elsewhere than on Linux it may not be able to. */
  readonly looksForClients: boolean;
}

/** What a major can do, by name: the only place that compares version numbers. */
export interface Features {
  /** NOT NULL constraints are rows of pg_constraint, with names (18). */
  readonly namedNotNull: boolean;
  /** Those of domains are so too (17). */
  readonly namedDomainNotNull: boolean;
  /** A child may say how it generates a column that its parent generates too (16); before, it must not. */
  readonly generatedInChildren: boolean;
  /** A publication may name columns and filter rows (15). */
  readonly publicationColumns: boolean;
  /** Membership in a role may come without the right to act as it (16). */
  readonly setOption: boolean;
  /** There is a privilege to VACUUM and the like, which owners have (17). */
  readonly maintain: boolean;
  /** The query of a view depends on the view itself (until 15). */
  readonly viewsNameThemselves: boolean;
  /** Sequences may be unlogged (15); before, those of unlogged tables are logged too. */
  readonly unloggedSequences: boolean;
  /** Says when a table or index was last read (16). */
  readonly lastReads: boolean;
}

const oldest = 14;
const newest = 18;

/**
 * @param versionNumber `server_version_num`, such as 150018
 * @param banner what `version()` gives
 * @param env `UNDROP_ALLOW_SERVER`: a major later than those that are known, to be tried all the same
 * @throws UndropError `unsupported-server`
 */
export function describeServer(
  version: string,
  versionNumber: number,
  banner = version,
  env: NodeJS.ProcessEnv = process.env,
): Server {
  const major = Math.floor(versionNumber / 10_000);
  const allowed = major > newest && env.UNDROP_ALLOW_SERVER === String(major);
  if (major < oldest || (major > newest && !allowed)) {
    throw new UndropError('unsupported-server', {
      subject: `PostgreSQL ${version}`,
      message: `PostgreSQL ${version} is not supported.`,
      reason: `What a drop takes along is known, and tested, for PostgreSQL ${majors.join(', ')}.`,
      next:
        major < oldest
          ? `Upgrade the server to ${oldest} or later.`
          : `Use a newer knex-undrop; or set UNDROP_ALLOW_SERVER=${major}: what would not come back exactly is refused there too.`,
    });
  }
  const isEmbedded = banner.includes('PGlite');
  const looksForClients = !isEmbedded && /-linux-gnu/.test(banner);
  return {
    ...{ version, major, copyIn: !isEmbedded, shared: !isEmbedded, looksForClients },
    ...featuresOf(major),
  };
}

export function featuresOf(major: number): Features {
  return {
    namedNotNull: major >= 18,
    namedDomainNotNull: major >= 17,
    generatedInChildren: major >= 16,
    publicationColumns: major >= 15,
    setOption: major >= 16,
    maintain: major >= 17,
    viewsNameThemselves: major < 16,
    unloggedSequences: major >= 15,
    lastReads: major >= 16,
  };
}

const majors = Array.from({ length: newest - oldest + 1 }, (_, index) => oldest + index);

/** What speaks PostgreSQL's protocol, by what its `version()` says, and why it is refused. */
const products: readonly { name: string; says: RegExp; reason: string }[] = [
  {
    name: 'CockroachDB',
    says: /\bCockroachDB\b/,
    reason: 'It has neither the catalogs nor the locks that an exact restore rests on.',
  },
  {
    name: 'YugabyteDB',
    says: /-YB-\d/,
    reason: 'Its tables are split into tablets, by settings that nothing here reads.',
  },
  {
    name: 'Amazon Redshift',
    says: /\bRedshift\b/,
    reason: 'It has no savepoints, and stores how a table is spread where nothing here reads it.',
  },
  {
    name: 'Greenplum',
    says: /\bGreenplum\b/,
    reason: 'Its tables are spread over segments, by rules that nothing here reads.',
  },
];

/**
 * @param banner what `version()` gives
 * @throws UndropError `unsupported-server` where it is not PostgreSQL itself
 */
export function refuseOtherProducts(banner: string): void {
  const product = products.find(({ says }) => says.test(banner));
  if (product === undefined) return;
  throw new UndropError('unsupported-server', {
    subject: banner,
    message: `${product.name} is not supported.`,
    reason: product.reason,
    next: `Connect to PostgreSQL ${oldest} to ${newest}.`,
  });
}
