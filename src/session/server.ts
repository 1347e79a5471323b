import { UndropError } from '../errors.ts';

/** The server that a session is on. */
export interface Server extends Features {
  /** As `server_version` prints it, `15.18 (Debian …)`. */
  readonly version: string;
  readonly major: number;
  /** Whether COPY FROM STDIN works. On the embedded server it breaks the protocol. */
  readonly copyIn: boolean;
  /** Whether several sessions can be connected at the same time. The embedded server has only one. */
  readonly shared: boolean;
  /** Whether `client_connection_check_interval` can be set. It is not available on all operating systems. */
  readonly looksForClients: boolean;
}

/** Features that depend on the major version. Version numbers are compared only here. */
export interface Features {
  /** NOT NULL constraints are rows of pg_constraint, with names (18). */
  readonly namedNotNull: boolean;
  /** NOT NULL constraints of domains are rows of pg_constraint (17). */
  readonly namedDomainNotNull: boolean;
  /** A child may repeat the generation expression of an inherited column (16); before, it must not. */
  readonly generatedInChildren: boolean;
  /** A publication may name columns and filter rows (15). */
  readonly publicationColumns: boolean;
  /** A publication may name schemas (15). */
  readonly publishedSchemas: boolean;
  /** Membership in a role may be granted without SET (16). */
  readonly setOption: boolean;
  /** There is a MAINTAIN privilege, which owners have (17). */
  readonly maintain: boolean;
  /** The rule of a view depends on the view itself (until 15). */
  readonly viewsNameThemselves: boolean;
  /** Sequences may be unlogged (15); before, sequences of unlogged tables are logged. */
  readonly unloggedSequences: boolean;
  /** Statistics contain the time of the last scan of a table or index (16). */
  readonly lastReads: boolean;
}

const oldest = 14;
const newest = 18;

/**
 * Returns the description of a supported server.
 *
 * @param versionNumber `server_version_num`, such as 150018
 * @param banner the result of `version()`
 * @param env `UNDROP_ALLOW_SERVER` may contain a later major version to be accepted
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
      reason: `This version of knex-undrop is tested with PostgreSQL ${majors.join(', ')}.`,
      next:
        major < oldest
          ? `Upgrade the server to ${oldest} or later.`
          : `Use a newer knex-undrop, or set UNDROP_ALLOW_SERVER=${major}: objects that could not be recreated exactly are refused on that version too.`,
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
    publishedSchemas: major >= 15,
    setOption: major >= 16,
    maintain: major >= 17,
    viewsNameThemselves: major < 16,
    unloggedSequences: major >= 15,
    lastReads: major >= 16,
  };
}

const majors = Array.from({ length: newest - oldest + 1 }, (_, index) => oldest + index);

/** Other products that use PostgreSQL's protocol, recognised by `version()`, and why they are refused. */
const products: readonly { name: string; pattern: RegExp; reason: string }[] = [
  {
    name: 'CockroachDB',
    pattern: /\bCockroachDB\b/,
    reason: 'It has neither the catalogs nor the locks that an exact restore depends on.',
  },
  {
    name: 'YugabyteDB',
    pattern: /-YB-\d/,
    reason: 'Its tables are split into tablets by settings that knex-undrop does not read.',
  },
  {
    name: 'Amazon Redshift',
    pattern: /\bRedshift\b/,
    reason: 'It has no savepoints, and knex-undrop does not read how it distributes tables.',
  },
  {
    name: 'Greenplum',
    pattern: /\bGreenplum\b/,
    reason: 'Its tables are distributed over segments by rules that knex-undrop does not read.',
  },
];

/** A client of `pg`. */
interface Client {
  query(config: { text: string; types: object }): Promise<{ rows: { banner: unknown }[] }>;
}

/**
 * Returns the result of `version()`. This is the first query, because some other products do not support savepoints.
 *
 * @throws UndropError `unsupported-server` if the server is not PostgreSQL, or the driver is pg-native
 */
export async function readBanner(client: Client): Promise<string> {
  // pg-native does not use the type parsers of a query. https://node-postgres.com/features/queries#types
  const types = { getTypeParser: () => (text: string) => ({ text }) };
  const { rows } = await client.query({ text: 'select pg_catalog.version() as banner', types });
  const banner = rows[0]?.banner;
  if (typeof banner !== 'object' || banner === null) throw native();
  const { text } = banner as { text: string };
  refuseOtherProducts(text);
  return text;
}

// https://node-postgres.com/features/native
function native(): UndropError {
  return new UndropError('unsupported-server', {
    subject: 'pg-native',
    message: 'The driver pg-native is not supported.',
    reason: 'It does not support COPY, nor type parsers of a single query.',
    next: 'Use pg itself: the Knex client "pg", without the environment variable NODE_PG_FORCE_NATIVE.',
  });
}

/**
 * Refuses servers that are not PostgreSQL itself.
 *
 * @param banner the result of `version()`
 * @throws UndropError `unsupported-server`
 */
export function refuseOtherProducts(banner: string): void {
  const product = products.find(({ pattern }) => pattern.test(banner));
  if (product === undefined) return;
  throw new UndropError('unsupported-server', {
    subject: banner,
    message: `${product.name} is not supported.`,
    reason: product.reason,
    next: `Connect to PostgreSQL ${oldest} to ${newest}.`,
  });
}
