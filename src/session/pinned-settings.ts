import { sqlState, UndropError } from '../errors.ts';
import { together } from '../text/together.ts';

/**
 * Settings that the deparsers and the replay depend on.
 *
 * Not pinned are those that change only how a server plans, waits, logs or stores, and those that the code of users depends
 * on where it runs in a replay (`lc_time`, `default_text_search_config`, `xmlbinary`, `plpgsql.variable_conflict`): what
 * the caller has set is what it runs under elsewhere. `backslash_quote` and `escape_string_warning` are about strings that
 * nothing here writes, and `timezone_abbreviations` about time zones that are never printed by name.
 * https://www.postgresql.org/docs/current/runtime-config-client.html
 */
export const pins: Readonly<Record<string, string>> = {
  // The driver reads and writes UTF-8, whatever an application has set since it connected.
  client_encoding: 'UTF8',
  // With pg_catalog alone, a temporary table named like a catalog would come first.
  search_path: 'pg_catalog, pg_temp',
  // Turns row-level security that would hide rows from us into an error.
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
  // Else the literal of an array with a null is one of an array with the word NULL.
  array_nulls: 'on',
  // Else the literal of an XML value that is no document is an error.
  xmloption: 'content',
  check_function_bodies: 'off',
  default_tablespace: '',
  default_table_access_method: 'heap',
  default_toast_compression: 'pglz',
  client_min_messages: 'warning',
  jit: 'off',
};

/**
 * Rows are read in the order of their pages, as pg_dump reads them. To plan a query over thirty catalogs takes longer
 * than to run it, so it is planned once.
 */
const howToRead = {
  synchronize_seqscans: 'off',
  enable_indexonlyscan: 'off',
  plan_cache_mode: 'force_generic_plan',
};

/**
 * With other values of these the server does not check what it is relied on for: foreign keys, pages and values that are
 * damaged. Only a superuser may set them, or who was granted it, so that they are not touched where they are right.
 * https://www.postgresql.org/docs/current/runtime-config-developer.html
 */
const safe: Readonly<Record<string, string>> = {
  session_replication_role: 'origin',
  zero_damaged_pages: 'off',
  ignore_checksum_failure: 'off',
  composite_type_mismatch: 'error',
};

/** Sets, until the transaction ends, what a JSON object says, as far as the server knows it. */
export const setAll = /* sql */ `
  select pg_catalog.set_config(s.key, s.value, true)
  from pg_catalog.jsonb_each_text($1::jsonb) as s
  where pg_catalog.current_setting(s.key, true) is not null`;

const pinned = JSON.stringify({ ...pins, ...howToRead });

/** The session as it was found, with the path of schemas that names are looked up in no more. */
export interface Found {
  readonly version: string;
  readonly versionNumber: string;
  readonly database: string;
  readonly role: string;
  readonly isolation: string;
  readonly readOnly: string;
  readonly schemas: readonly string[];
  /** What puts the settings back, as JSON. */
  readonly settings: string;
  /** Those that are not safe, as JSON: name and value. */
  readonly unsafe: string | null;
}

/** Runs a statement, and those that it is given at the same time one after the other. */
type Run = (text: string, values: readonly unknown[]) => Promise<Record<string, string | null>[]>;

const encodingSql = `select pg_catalog.current_setting('client_encoding') as setting`;

const pathSql = /* sql */ `
  select pg_catalog.current_setting('search_path') as setting,
    pg_catalog.array_to_json(pg_catalog.current_schemas(false)) as schemas`;

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
     where pg_catalog.current_setting(s.key, true) <> s.value) as unsafe`;

/**
 * Pins the settings, and says what they were. Nothing may be looked up in the user's search path, where a function or
 * operator could pass for a built-in one: not even what reads the settings. The path itself is read first, with nothing
 * in it that is looked up.
 */
export async function pin(run: Run): Promise<Found> {
  const [[encoding], , [path], , [found]] = await together([
    run(encodingSql, []),
    run(`set local client_encoding = ${pins.client_encoding}`, []),
    run(pathSql, []),
    run(`set local search_path = ${pins.search_path}`, []),
    run(foundSql, [
      [...Object.keys(JSON.parse(pinned)), 'lock_timeout', 'application_name'],
      JSON.stringify(safe),
    ]),
    run(setAll, [pinned]),
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
 * Makes safe what is not, until the transaction ends.
 *
 * @returns what puts the settings back, as JSON
 * @throws UndropError `insufficient-privilege` where the role may not
 */
export async function makeSafe(run: Run, { role, settings, unsafe }: Found): Promise<string> {
  if (unsafe === null) return settings;
  const found: Record<string, string> = JSON.parse(unsafe);
  const wanted = Object.fromEntries(Object.keys(found).map((name) => [name, safe[name]]));
  try {
    await run(setAll, [JSON.stringify(wanted)]);
  } catch (error) {
    throw sqlState(error) === '42501' ? mayNotSet(role, found, error) : error;
  }
  return JSON.stringify({ ...JSON.parse(settings), ...found });
}

function mayNotSet(role: string, found: Readonly<Record<string, string>>, cause: unknown): UndropError {
  const names = Object.keys(found);
  return new UndropError('insufficient-privilege', {
    subject: names.join(', '),
    message: `The role ${role} may not set ${names.join(', ')} to ${names.map((name) => safe[name]).join(', ')}.`,
    reason: `Under ${names.map((name) => `${name} = ${found[name]}`).join(', ')} the server leaves out checks that an exact restore rests on.`,
    next: `Reset it where it is set for the role, the database or the connection (alter role … reset ${names[0]}), or run as a superuser.`,
    cause,
  });
}
