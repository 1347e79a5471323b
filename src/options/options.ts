import { UndropError } from '../errors.ts';
import { isStorable, shown } from '../text/printable.ts';
import { parseDuration, parseSize } from '../text/units.ts';
import { migrationName } from './migration-name.ts';
import {
  type InSchemas,
  type NamedTables,
  parseTables,
  type TablesInSchemas,
  type TablesOfSchema,
  type WantedTable,
} from './tables.ts';

/** The options of `reversibleDrop`. All except `tables` have defaults. */
export interface DropOptions {
  /**
   * The migration's name, the key of its entries in the archive. It must be unique in the project. With an absolute
   * path, such as `import.meta.filename` or `__filename`, the name is that of the file without its extension. Default with
   * `undropConfig`: the name of the file. Otherwise it is required, because Knex does not tell it to a migration.
   */
  name?: string;
  /**
   * The tables with the reason for each, which is stored in the archive; or only the tables. Names such as `posts` and
   * `app.posts` are taken literally, as in Knex; double quotes work as in SQL: `"odd.name"`. For a schema for each tenant,
   * a pattern of their names, `{ schemas: 'tenant_%', tables: ['runs'] }`, or a function of the name of a schema: `up`
   * finds the tables, and the archive stores their names for `down`.
   */
  tables: NamedTables | TablesInSchemas | TablesOfSchema;
  /**
   * Dependent objects, which do not belong to the named tables. Default `refuse`; `cascade` drops and restores them
   * too.
   */
  dependents?: 'refuse' | 'cascade';
  /**
   * Tables that are not empty. Default `refuse`; `copy` copies the rows of all dropped tables, including their
   * children, into the schema `undrop` of the same database. `down` restores the rows, compares them with the dropped
   * ones, and only then removes the copy from the archive, in the same transaction. `move` drops no table: it moves the
   * tables with their rows and indexes into a schema of the archive, in a time that does not depend on the number of
   * rows, and `down` moves them back.
   */
  rows?: 'refuse' | 'copy' | 'move';
  /**
   * How long the archive should keep the entry: `30d`. `status` and `archive --list` report an entry that is
   * older; nothing removes it by itself. Default: no limit.
   */
  keepFor?: string;
  /** Tables that do not exist. Default `refuse`; `skip` logs a message and continues, even if none of the tables exists. */
  missing?: 'refuse' | 'skip';
  /** Default `off`; `required` requires a backup of this database with a sufficient proof and age. */
  backup?: 'off' | 'required';
  /**
   * The minimum proof of the backup: `restore`, `contents`, or `attested` for a backup without proof. `reachable` is
   * `contents`, and the file must be readable on this host, even if the backup was taken on another one. Default `contents`. Used only with `backup: 'required'`.
   */
  backupProof?: 'attested' | 'contents' | 'reachable' | 'restore';
  /** The maximum age of the backup, by the server's clock: `90m`, `24h`, `7d`. Default `24h`. */
  backupMaxAge?: string;
  /** Default `none`; with `each-table`, `APPROVED_DROPS` or `approvals.json` must name each table. */
  approval?: 'none' | 'each-table';
  /** Comment that `up` sets on the schema of the tables; `down` restores the previous one. Default: no change. */
  schemaComment?: string;
  /** The maximum time that an attempt waits for a lock: `500ms`, `2s`. Default `2s`. */
  lockTimeout?: string;
  /**
   * The number of attempts to acquire all locks before `lock-timeout` is thrown, with a pause between them. Default 8.
   */
  lockTries?: number;
}

/** The parsed options, with defaults filled in and overrides from the environment applied. */
export interface Options {
  readonly name: string;
  /** Empty until `withTables` has found them, where `inSchemas` is set. */
  readonly tables: readonly WantedTable[];
  /** The rule for tables that are found by their schemas. */
  readonly inSchemas: InSchemas | undefined;
  readonly dependents: 'refuse' | 'cascade';
  readonly rows: 'refuse' | 'copy' | 'move';
  readonly keepForSeconds: number | undefined;
  readonly missing: 'refuse' | 'skip';
  readonly backup: 'off' | 'required';
  readonly backupProof: 'attested' | 'contents' | 'reachable' | 'restore';
  readonly backupMaxAgeSeconds: number;
  readonly approval: 'none' | 'each-table';
  readonly schemaComment: string | undefined;
  readonly lockTimeoutMs: number;
  readonly lockTries: number;
  /** Digests of differences that are accepted in this run. */
  readonly acceptDifferences: readonly string[];
  /** The size of rows, in bytes, above which `rows: 'copy'` refuses; undefined without a limit. */
  readonly copyLimitBytes: number | undefined;
  /** Variables that changed an option, as `VARIABLE=value`; stored in the archive. */
  readonly overrides: readonly string[];
}

type Problems = string[];

const choices = {
  dependents: ['refuse', 'cascade'],
  rows: ['refuse', 'copy', 'move'],
  missing: ['refuse', 'skip'],
  backup: ['off', 'required'],
  backupProof: ['attested', 'contents', 'reachable', 'restore'],
  approval: ['none', 'each-table'],
} as const;

const others = ['keepFor', 'backupMaxAge', 'schemaComment', 'lockTimeout', 'lockTries'];
const known = new Set(['name', 'tables', ...Object.keys(choices), ...others]);

/**
 * Parses and checks the options.
 *
 * @param told the name, for options without one
 * @throws UndropError `bad-options`, which lists all mistakes, including those in environment variables
 */
export function parseOptions(
  given: DropOptions,
  env: NodeJS.ProcessEnv = process.env,
  told?: string,
): Options {
  const problems: Problems = [];
  if (typeof given !== 'object' || given === null)
    throw badOptions(given, ['The options are not an object.']);
  for (const key of Object.keys(given)) {
    if (!known.has(key)) problems.push(`${key} is not an option; the options are ${[...known].join(', ')}`);
  }
  const { name: named = told } = given;
  const name = typeof named === 'string' ? migrationName(named) : '';
  if (name.trim() === '')
    problems.push('name is missing; without undropConfig it is required, such as name: import.meta.filename');
  else if (!isStorable(name)) problems.push('name contains a character that PostgreSQL does not accept');

  const options = {
    name,
    ...parseTables(given.tables, problems),
    dependents: choose(given, 'dependents', 'refuse', problems),
    rows: choose(given, 'rows', 'refuse', problems),
    keepForSeconds: given.keepFor === undefined ? undefined : seconds(given.keepFor, 'keepFor', problems),
    missing: choose(given, 'missing', 'refuse', problems),
    backup: choose(given, 'backup', 'off', problems),
    backupProof: choose(given, 'backupProof', 'contents', problems),
    backupMaxAgeSeconds: seconds(given.backupMaxAge ?? '24h', 'backupMaxAge', problems),
    approval: choose(given, 'approval', 'none', problems),
    schemaComment: given.schemaComment,
    lockTimeoutMs: milliseconds(given.lockTimeout ?? '2s', problems),
    lockTries: given.lockTries ?? 8,
    acceptDifferences: [],
    copyLimitBytes: 2 ** 30,
  };
  if (given.schemaComment !== undefined && !isText(given.schemaComment)) {
    problems.push('schemaComment is not a string that PostgreSQL accepts');
  }
  if (!Number.isInteger(options.lockTries) || options.lockTries < 1)
    problems.push('lockTries is not a whole number of at least 1');
  if (given.schemaComment !== undefined && new Set(options.tables.map((table) => table.schema)).size > 1) {
    problems.push('schemaComment requires that all tables are in one schema');
  }

  if (options.inSchemas !== undefined) {
    if (given.schemaComment !== undefined) problems.push('schemaComment requires tables of one schema');
    if (options.approval === 'each-table')
      problems.push('approval each-table requires the names of the tables');
  }

  const fromEnvironment = readEnvironment(name, env, problems);
  if (problems.length > 0) throw badOptions(name || given.name, problems);
  const { schemaComment, ...rest } = fromEnvironment.changes;
  return Object.freeze({
    ...options,
    ...rest,
    schemaComment: schemaComment === 'off' ? undefined : options.schemaComment,
    overrides: fromEnvironment.overrides,
  });
}

function choose<Key extends keyof typeof choices>(
  given: DropOptions,
  key: Key,
  fallback: (typeof choices)[Key][number],
  problems: Problems,
): (typeof choices)[Key][number] {
  const allowed: readonly string[] = choices[key];
  const value = given[key] ?? fallback;
  if (!allowed.includes(value)) problems.push(`${key} is ${shown(value)}, not ${allowed.join(' or ')}`);
  return value as (typeof choices)[Key][number];
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && isStorable(value);
}

/** Returns the seconds in a duration such as `30d`. If the text is not a duration, adds a problem and returns 0. */
function seconds(text: unknown, subject: string, problems: Problems): number {
  const value = parseDuration(text);
  if (value === undefined)
    problems.push(`${subject} is ${shown(text)}, not a duration such as 90m, 24h or 7d`);
  return (value ?? 0) / 1000;
}

// The server stores timeouts as milliseconds in a 32-bit integer.
const longest = 2 ** 31 - 1;

function milliseconds(text: unknown, problems: Problems): number {
  const value = parseDuration(text) ?? 0;
  if (value === 0 || value > longest)
    problems.push(`lockTimeout is ${shown(text)}, not a duration such as 500ms or 2s`);
  return value;
}

interface Changes {
  dependents?: 'refuse' | 'cascade';
  backup?: 'off' | 'required';
  backupProof?: Options['backupProof'];
  backupMaxAgeSeconds?: number;
  schemaComment?: 'off';
  acceptDifferences?: readonly string[];
  copyLimitBytes?: number | undefined;
}

function readEnvironment(migration: string, env: NodeJS.ProcessEnv, problems: Problems) {
  const changes: Changes = {};
  const overrides: string[] = [];
  const override = (variable: string, value: string | undefined, apply: (value: string) => boolean) => {
    if (value === undefined || value === '') return;
    if (apply(value)) overrides.push(`${variable}=${value}`);
  };

  override('UNDROP_BACKUP', env.UNDROP_BACKUP, (value) => {
    if (value === 'off' || value === 'required') changes.backup = value;
    else problems.push(`UNDROP_BACKUP is ${JSON.stringify(value)}, not off or required`);
    return true;
  });
  override('UNDROP_BACKUP_PROOF', env.UNDROP_BACKUP_PROOF, (value) => {
    const proof = choices.backupProof.find((choice) => choice === value);
    if (proof !== undefined) changes.backupProof = proof;
    else
      problems.push(`UNDROP_BACKUP_PROOF is ${JSON.stringify(value)}, not ${choices.backupProof.join(', ')}`);
    return true;
  });
  override('UNDROP_BACKUP_MAX_AGE', env.UNDROP_BACKUP_MAX_AGE, (value) => {
    changes.backupMaxAgeSeconds = seconds(value, 'UNDROP_BACKUP_MAX_AGE', problems);
    return true;
  });
  override('UNDROP_DEPENDENTS', env.UNDROP_DEPENDENTS, (value) => {
    const [, choice, only] = /^(refuse|cascade)(?::(.+))?$/s.exec(value) ?? [];
    if (choice !== 'refuse' && choice !== 'cascade') {
      problems.push(`UNDROP_DEPENDENTS is ${JSON.stringify(value)}, not cascade or cascade:<migration>`);
      return true;
    }
    if (only !== undefined && only !== migration) return false;
    changes.dependents = choice;
    return true;
  });
  override('UNDROP_SCHEMA_COMMENT', env.UNDROP_SCHEMA_COMMENT, (value) => {
    if (value === 'off') changes.schemaComment = value;
    else problems.push(`UNDROP_SCHEMA_COMMENT is ${JSON.stringify(value)}, not off`);
    return true;
  });
  override('UNDROP_COPY_LIMIT', env.UNDROP_COPY_LIMIT, (value) => {
    changes.copyLimitBytes = value === 'off' ? undefined : parseSize(value);
    if (value !== 'off' && changes.copyLimitBytes === undefined)
      problems.push(`UNDROP_COPY_LIMIT is ${JSON.stringify(value)}, not a size such as 500MB or 2GB, or off`);
    return true;
  });
  override('UNDROP_ACCEPT_DIFFERENCES', env.UNDROP_ACCEPT_DIFFERENCES, (value) => {
    const digests = value.split(',').map((digest) => digest.trim());
    if (digests.every((digest) => /^[0-9a-f]{12}$/.test(digest))) changes.acceptDifferences = digests;
    else
      problems.push(
        `UNDROP_ACCEPT_DIFFERENCES is ${JSON.stringify(value)}, not the 12 hexadecimal digits that an error printed`,
      );
    return true;
  });
  return { changes, overrides };
}

function badOptions(name: unknown, problems: Problems): UndropError {
  return new UndropError('bad-options', {
    subject: typeof name === 'string' ? name : shown(name),
    message: `The options of ${shown(name)} are invalid.`,
    reason: problems.join('\n'),
    next: 'Correct the call of reversibleDrop or the environment variables; docs/reference.md lists both.',
  });
}
