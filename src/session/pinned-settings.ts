import { sqlState, UndropError } from '../errors.ts';

/**
 * Settings that the deparsing functions and the replay depend on.
 *
 * Settings that only affect planning, waiting, logging or storage are not pinned. Nor are settings that user code may
 * depend on when it runs in a replay (`lc_time`, `default_text_search_config`, `xmlbinary`,
 * `plpgsql.variable_conflict`): it runs with the caller's values, as it does elsewhere. `backslash_quote` and
 * `escape_string_warning` concern string literals that this package does not write, and `timezone_abbreviations`
 * concerns time zone names that are never printed.
 * https://www.postgresql.org/docs/current/runtime-config-client.html
 */
export const pins: Readonly<Record<string, string>> = {
  // The driver reads and writes UTF-8, even if the application has changed client_encoding since it connected.
  client_encoding: 'UTF8',
  // With pg_catalog alone, a temporary table named like a catalog would come first.
  search_path: 'pg_catalog, pg_temp',
  // If row-level security would hide rows from the role, the server raises an error.
  row_security: 'off',
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '1',
  lc_monetary: 'C',
  quote_all_identifiers: 'off',
  standard_conforming_strings: 'on',
  transform_null_equals: 'off',
  // If off, NULL in an array literal is read as a string.
  array_nulls: 'on',
  // With 'document', XML literals that are not documents fail.
  xmloption: 'content',
  check_function_bodies: 'off',
  default_tablespace: '',
  default_table_access_method: 'heap',
  default_toast_compression: 'pglz',
  client_min_messages: 'warning',
  jit: 'off',
};

/** The pinned settings for the input and output of values, on which functions that are not immutable depend. */
export const formats: readonly string[] = [
  'bytea_output',
  'datestyle',
  'extra_float_digits',
  'intervalstyle',
  'lc_monetary',
  'timezone',
];

/**
 * Rows are read in physical order, as by pg_dump. Parameters are mostly lists of OIDs, on whose values plans do not depend.
 * Views and foreign tables can be read; earlier minor versions do not have this setting.
 */
const howToRead = {
  restrict_nonsystem_relation_kind: '',
  synchronize_seqscans: 'off',
  enable_indexonlyscan: 'off',
  plan_cache_mode: 'force_generic_plan',
};

/**
 * With other values of these settings the server skips checks that an exact restore depends on: of foreign keys,
 * damaged pages and damaged values. Setting them requires a privilege, so they are set only if they have another value.
 * https://www.postgresql.org/docs/current/runtime-config-developer.html
 */
const safe: Readonly<Record<string, string>> = {
  session_replication_role: 'origin',
  zero_damaged_pages: 'off',
  ignore_checksum_failure: 'off',
  composite_type_mismatch: 'error',
};

/**
 * Sets the settings of a JSON object until the transaction ends. Settings that the server does not have are skipped.
 */
export const setAll = /* sql */ `
  select pg_catalog.set_config(s.key, s.value, true)
  from pg_catalog.jsonb_each_text($1::jsonb) as s
  where pg_catalog.current_setting(s.key, true) is not null`;

const pinned: Readonly<Record<string, string>> = { ...pins, ...howToRead };

/** The state of the session before its settings were pinned. */
export interface Found {
  readonly version: string;
  readonly versionNumber: string;
  readonly database: string;
  readonly role: string;
  readonly isolation: string;
  readonly readOnly: string;
  readonly schemas: readonly string[];
  /** The previous values of the settings, as JSON. */
  readonly settings: string;
  /** Names and values of settings that are not safe, as JSON. */
  readonly unsafe: string | null;
  /** The interval at which the server checks whether the client is still connected; `0` for never. */
  readonly checkInterval: string | null;
}

/** Runs one statement with parameters, or several without. Returns the rows of all of them. */
type Run = (text: string, values?: readonly unknown[]) => Promise<Record<string, string | null>[]>;

// The search path may contain any characters, so the encoding is set before it is read.
const pathSql = /* sql */ `
  select pg_catalog.current_setting('client_encoding') as setting;
  set local client_encoding = ${pins.client_encoding};
  select pg_catalog.current_setting('search_path') as setting,
    pg_catalog.array_to_json(pg_catalog.current_schemas(false)) as schemas;
  set local search_path = ${pins.search_path}`;

const foundSql = /* sql */ `
  select pg_catalog.current_setting('server_version') as version,
    pg_catalog.current_setting('server_version_num') as "versionNumber",
    pg_catalog.current_database()::text as database,
    current_user::text as role,
    pg_catalog.current_setting('transaction_isolation') as isolation,
    pg_catalog.current_setting('transaction_read_only') as "readOnly",
    (select pg_catalog.json_object_agg(s.name, pg_catalog.current_setting(s.name, true))::text
     from pg_catalog.unnest($1::text[]) as s (name)
     where pg_catalog.current_setting(s.name, true) is not null) as settings,
    (select pg_catalog.json_object_agg(s.key, pg_catalog.current_setting(s.key, true))::text
     from pg_catalog.jsonb_each_text($2::jsonb) as s
     where pg_catalog.current_setting(s.key, true) <> s.value) as unsafe,
    pg_catalog.current_setting('client_connection_check_interval', true) as "checkInterval"`;

/**
 * Pins the search path and reads the settings. No name may be looked up in the user's search path, where a function or
 * operator could be taken for a built-in one. This includes the query that reads the settings, so the path is read first,
 * by a query in which all names are qualified.
 */
export async function find(run: Run): Promise<Found> {
  const [encoding, path] = await run(pathSql);
  const [found] = await run(foundSql, [
    [...Object.keys(pinned), 'lock_timeout', 'application_name'],
    JSON.stringify(safe),
  ]);
  const settings = {
    ...JSON.parse(found?.settings ?? '{}'),
    client_encoding: encoding?.setting,
    search_path: path?.setting,
  };
  return {
    ...(found as unknown as Found),
    schemas: JSON.parse(path?.schemas ?? '[]'),
    settings: JSON.stringify(settings),
  };
}

/**
 * Pins the settings until the transaction ends.
 *
 * @param looksForClients whether the server can check that the client is still connected. Otherwise, the locks of a client
 * that was killed are held until its statement ends.
 * @param onlyReads whether unsafe settings may stay
 * @returns the previous values of all settings, as JSON
 * @throws UndropError `insufficient-privilege` if the role may not set unsafe settings
 */
export async function pin(
  run: Run,
  found: Found,
  looksForClients: boolean,
  onlyReads: boolean,
): Promise<string> {
  const { settings, checkInterval } = found;
  // https://www.postgresql.org/docs/current/runtime-config-connection.html#GUC-CLIENT-CONNECTION-CHECK-INTERVAL
  const looks = looksForClients && checkInterval === '0' ? { client_connection_check_interval: '1s' } : {};
  await run(setAll, [JSON.stringify({ ...pinned, ...looks })]);
  const unsafe = onlyReads ? {} : await makeSafe(run, found);
  return JSON.stringify({
    ...JSON.parse(settings),
    ...unsafe,
    client_connection_check_interval: checkInterval,
  });
}

/** Gives unsafe settings their safe values until the transaction ends. Returns the previous values. */
async function makeSafe(run: Run, { role, unsafe }: Found): Promise<Record<string, string>> {
  const found: Record<string, string> = JSON.parse(unsafe ?? '{}');
  if (unsafe === null) return found;
  const wanted = Object.fromEntries(Object.keys(found).map((name) => [name, safe[name]]));
  try {
    await run(setAll, [JSON.stringify(wanted)]);
  } catch (error) {
    throw sqlState(error) === '42501' ? mayNotSet(role, found, error) : error;
  }
  return found;
}

function mayNotSet(role: string, found: Readonly<Record<string, string>>, cause: unknown): UndropError {
  const names = Object.keys(found);
  return new UndropError('insufficient-privilege', {
    subject: names.join(', '),
    message: `The role ${role} may not set ${names.join(', ')} to ${names.map((name) => safe[name]).join(', ')}.`,
    reason: `With ${names.map((name) => `${name} = ${found[name]}`).join(', ')} the server skips checks that an exact restore depends on.`,
    next: `Reset it where it is set for the role, the database or the connection (alter role … reset ${names[0]}), or run as a superuser.`,
    cause,
  });
}
