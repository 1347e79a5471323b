import { together } from './together.ts';

/**
 * Settings that the deparsers and the replay depend on.
 * https://www.postgresql.org/docs/current/runtime-config-client.html
 */
export const pins: Readonly<Record<string, string>> = {
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

/** Sets, until the transaction ends, what a JSON object says. */
export const setAll = /* sql */ `
  select pg_catalog.set_config(s.key, s.value, true)
  from pg_catalog.jsonb_each_text($1::jsonb) as s`;

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
}

/** Runs a statement, and those that it is given at the same time one after the other. */
type Run = (text: string, values: readonly unknown[]) => Promise<Record<string, string | null>[]>;

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
     where pg_catalog.current_setting(s.name, true) is not null) as settings`;

/**
 * Pins the settings, and says what they were. Nothing may be looked up in the user's search path, where a function or
 * operator could pass for a built-in one: not even what reads the settings. The path itself is read first, with nothing
 * in it that is looked up.
 */
export async function pin(run: Run): Promise<Found> {
  const [[path], , [found]] = await together([
    run(pathSql, []),
    run(`set local search_path = ${pins.search_path}`, []),
    run(foundSql, [[...Object.keys(JSON.parse(pinned)), 'lock_timeout', 'application_name']]),
    run(setAll, [pinned]),
  ]);
  const settings = { ...JSON.parse(found?.settings ?? '{}'), search_path: path?.setting };
  return {
    ...(found as unknown as Found),
    schemas: JSON.parse(path?.schemas ?? '[]'),
    settings: JSON.stringify(settings),
  };
}
