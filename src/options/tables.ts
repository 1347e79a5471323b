import { UndropError } from '../errors.ts';
import { isStorable, shown } from '../text/printable.ts';
import { parseTableName, quoteName, type TableName } from './table-name.ts';

/** Names of tables with a reason for each, or only names. */
export type NamedTables = Readonly<Record<string, string>> | readonly string[];

/** The tables of these names in each schema whose name matches a pattern, such as one schema for each tenant. */
export interface TablesInSchemas {
  /** A pattern of LIKE: `tenant_%`; a backslash before `_` or `%` takes it literally. */
  schemas: string;
  /** Names without a schema. */
  tables: NamedTables;
}

/** The tables of a schema; null or an empty array for none. It is called with the name of each schema. */
export type TablesOfSchema = (schema: string) => NamedTables | null;

/** A table that a migration names, and the reason. */
export type WantedTable = TableName & { readonly reason: string | undefined };

/** Tables that are named by their schemas, which are known only in the database. */
export interface InSchemas {
  /** For messages: `tenant_%.runs`. */
  readonly words: string;
  /** The pattern that the names of schemas match; null for a function, which is called with all names. */
  readonly pattern: string | null;
  /**
   * The tables in a schema.
   *
   * @throws UndropError `bad-options` where a function returns something else
   */
  tablesOf(schema: string): WantedTable[];
}

/** What `tables` names: tables, or a rule for them. */
export interface ParsedTables {
  readonly tables: readonly WantedTable[];
  readonly inSchemas: InSchemas | undefined;
}

/** Parses the option `tables`, and adds its mistakes to `problems`. */
export function parseTables(given: unknown, problems: string[]): ParsedTables {
  if (typeof given === 'function') return { tables: [], inSchemas: byFunction(given as TablesOfSchema) };
  if (isPattern(given)) return { tables: [], inSchemas: byPattern(given, problems) };
  return { tables: parseNames(given, problems), inSchemas: undefined };
}

// In a record of reasons, `tables` would be the name of a table, and its reason a string.
function isPattern(given: unknown): given is TablesInSchemas {
  return typeof given === 'object' && given !== null && 'schemas' in given && 'tables' in given
    ? typeof given.tables === 'object'
    : false;
}

function byPattern({ schemas, tables, ...others }: TablesInSchemas, problems: string[]): InSchemas {
  for (const key of Object.keys(others))
    problems.push(`tables contains ${key} beside schemas and tables; it takes only these two`);
  if (typeof schemas !== 'string' || schemas === '' || !isStorable(schemas))
    problems.push(`schemas is ${shown(schemas)}, not a pattern such as tenant_%`);
  const names = parseNames(tables, problems);
  refuseSchemas(names, problems);
  return {
    words: names.map(({ written }) => `${schemas}.${written}`).join(', '),
    pattern: schemas,
    tablesOf: (schema) => names.map((table) => inSchema(schema, table)),
  };
}

function byFunction(tablesOf: TablesOfSchema): InSchemas {
  return {
    words: 'the tables that a function returns for each schema',
    pattern: null,
    tablesOf: (schema) => {
      const given = tablesOf(schema);
      if (given === null || (Array.isArray(given) && given.length === 0)) return [];
      const problems: string[] = [];
      const names = parseNames(given, problems);
      refuseSchemas(names, problems);
      if (problems.length === 0) return names.map((table) => inSchema(schema, table));
      throw new UndropError('bad-options', {
        subject: schema,
        message: `The function tables returned no tables for the schema ${schema}.`,
        reason: problems.join('\n'),
        next: 'Return names without a schema, with or without reasons, or null for none.',
      });
    },
  };
}

function refuseSchemas(names: readonly WantedTable[], problems: string[]): void {
  for (const { schema, written } of names)
    if (schema !== undefined) problems.push(`tables names ${written} with a schema, beside schemas`);
}

function inSchema(schema: string, { name, reason }: WantedTable): WantedTable {
  const quoted = [schema, name].map((part) => (/^[^".]+$/.test(part) ? part : quoteName(part)));
  return { written: quoted.join('.'), schema, name, reason };
}

function parseNames(given: unknown, problems: string[]): WantedTable[] {
  if (typeof given !== 'object' || given === null) {
    problems.push('tables is neither an object of names and reasons nor an array of names');
    return [];
  }
  const entries = Array.isArray(given)
    ? given.map((name: unknown) => [name, undefined] as const)
    : Object.entries(given);
  if (entries.length === 0) problems.push('tables names no table');
  const tables: WantedTable[] = [];
  for (const [written, reason] of entries) {
    if (typeof written !== 'string' || (reason !== undefined && !isText(reason))) {
      problems.push(`tables contains ${shown(written)}, which is not a table name with a reason`);
      continue;
    }
    try {
      tables.push({ ...parseTableName(written), reason });
    } catch (error) {
      if (!(error instanceof UndropError)) throw error;
      problems.push(error.message);
    }
  }
  const seen = new Set<string>();
  for (const { schema, name, written } of tables) {
    const key = JSON.stringify([schema, name]);
    if (seen.has(key)) problems.push(`tables names ${written} twice`);
    seen.add(key);
  }
  return tables;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && isStorable(value);
}
