import { readEntries } from '../archive/entries.ts';
import { sqlState } from '../errors.ts';
import { identifier } from '../options/table-name.ts';
import type { Session } from '../session/session.ts';
import { groupBy } from '../text/group-by.ts';
import { list } from '../text/units.ts';
import { NameIndex, wordsOf } from '../text/words.ts';
import { type Body, readBodies, readConfigurations } from './bodies.ts';
import type { CodeReference } from './code/inspect.ts';
import { makeScanner } from './code/scanner.ts';
import type { CodeSearch } from './code/search.ts';
import type { Decided } from './decisions.ts';
import {
  agelessWords,
  empty,
  type Known,
  notInCode,
  notWritten,
  type Rule,
  superseded,
  unreferenced,
  vanishedName,
} from './ghost-rules.ts';
import { type Link, readLinks } from './relations.ts';
import { type RowCount, readRowCounts } from './row-counts.ts';
import { describeEvidence, inText, type TableEvidence } from './table-evidence.ts';
import { type Counting, readCounting, readRelationNames, readTables, type Table } from './tables.ts';
import { type Judgement, judge } from './verdict.ts';

/** The evidence read from the database, before it is judged. */
export interface Evidence {
  readonly database: string;
  readonly role: string;
  readonly counting: Counting;
  /** The tables of all user schemas. */
  readonly tables: readonly Table[];
  /** The names of all relations, views and sequences included. */
  readonly relations: readonly string[];
  /** By the OID of the table. */
  readonly counts: ReadonlyMap<number, RowCount>;
  readonly links: readonly Link[];
  readonly bodies: readonly Body[];
  /** Tables of extensions that may name tables, but cannot be read. */
  readonly unseen: readonly string[];
  /** When tables were restored from the archive, ISO 8601, by qualified name. */
  readonly restored: ReadonlyMap<string, string>;
  /** The schemas of the search path. */
  readonly path: readonly string[];
}

/** Reads the evidence from the database. It needs no privilege on any table. */
export async function readEvidence(session: Session): Promise<Evidence> {
  const tables = await readTables(session);
  const configurations = await readConfigurations(session);
  return {
    database: session.database,
    role: session.role,
    counting: await readCounting(session),
    tables,
    relations: await readRelationNames(session),
    counts: await readRowCounts(session, tables),
    links: await readLinks(session),
    bodies: [...(await readBodies(session)), ...configurations.bodies],
    unseen: configurations.unseen,
    restored: await readRestored(session),
    path: session.schemas,
  };
}

async function readRestored(session: Session): Promise<Map<string, string>> {
  try {
    const entries = await session.attempt(() => readEntries(session));
    return new Map(
      entries.flatMap(({ tables, restoredAt }) =>
        restoredAt === null ? [] : tables.map(({ sql }): [string, string] => [sql, restoredAt]),
      ),
    );
  } catch (error) {
    // Only the role that runs migrations can read the archive.
    if (sqlState(error) === '42501') return new Map();
    throw error;
  }
}

/** The verdict on one table, as printed by `undrop audit --json` under `tables`. */
export interface TableAudit extends Judgement {
  readonly schema: string;
  readonly name: string;
  /** Null if the table could not be read. */
  readonly empty: boolean | null;
  /** Null if unknown; an estimate if `evidence.rowsEstimated` is true. */
  readonly rows: number | null;
  readonly rules: readonly Rule[];
  readonly evidence: TableEvidence;
}

/** The verdicts on all tables of a database. */
export interface Audit {
  readonly database: string;
  readonly counting: Counting;
  readonly counts: Readonly<Record<'tables' | 'empty' | 'candidate' | 'ask' | 'keep', number>>;
  readonly tables: readonly TableAudit[];
  /** Tables and files that could not be read, and decisions on missing tables. */
  readonly warnings: readonly string[];
  /** Null if no code was searched. */
  readonly code: CodeSummary | null;
}

export interface CodeSummary {
  readonly roots: readonly string[];
  readonly files: number;
  /** Missing tables that SQL in the code names. */
  readonly missing: CodeSearch['missing'];
  /** Tables that the code does not name. */
  readonly unnamed: readonly string[];
}

/**
 * Judges every table of the given schemas.
 *
 * @param schemas undefined for all schemas
 */
export function auditEvidence(
  evidence: Evidence,
  decisions: readonly Decided[],
  search: CodeSearch | null,
  schemas: readonly string[] | undefined,
): Audit {
  const known = gather(evidence, search);
  const relations = new NameIndex(evidence.relations, wordsOf);
  const filled = new NameIndex(
    known.filter(({ count }) => count.empty === false),
    ({ table }) => agelessWords(table.name),
  );
  const decided = assign(decisions, evidence);
  const byTable = groupBy(evidence.links, ({ table }) => table);

  const tables = known
    .filter(({ table }) => schemas === undefined || schemas.includes(table.schema))
    .map((subject): TableAudit => {
      const { table, count } = subject;
      const rules = [
        empty(subject),
        unreferenced(subject, evidence.unseen),
        notInCode(subject, search === null ? null : { files: search.files, unread: search.unread.length }),
        // These rules are meaningful only for an empty table.
        ...(count.empty === true
          ? [vanishedName(subject, relations), superseded(subject, filled, relations)]
          : []),
        notWritten(subject, evidence.counting),
      ];
      const decision = decided.byOid.get(table.oid);
      return {
        schema: table.schema,
        name: table.name,
        empty: count.empty,
        rows: count.rows,
        ...judge(rules, decision, table.extension),
        rules,
        evidence: describeEvidence(
          subject,
          byTable.get(table.oid) ?? [],
          evidence.counting,
          search,
          decision,
        ),
      };
    });

  return {
    database: evidence.database,
    counting: evidence.counting,
    counts: {
      tables: tables.length,
      empty: tables.filter((table) => table.empty === true).length,
      candidate: tables.filter(({ verdict }) => verdict === 'candidate').length,
      ask: tables.filter(({ verdict }) => verdict === 'ask').length,
      keep: tables.filter(({ verdict }) => verdict === 'keep').length,
    },
    tables,
    warnings: [...decided.warnings, ...(search?.unread ?? []), ...unreadIn(tables, evidence)],
    code: search === null ? null : summarise(search, tables),
  };
}

function gather(evidence: Evidence, search: CodeSearch | null): Known[] {
  const inBodies = namedInBodies(evidence);
  const links = groupBy(evidence.links, ({ table }) => table);
  return evidence.tables.map((table): Known => {
    const own = links.get(table.oid) ?? [];
    const restored = evidence.restored.get(table.sql);
    const { since } = evidence.counting;
    return {
      table,
      count: evidence.counts.get(table.oid) ?? {
        empty: null,
        rows: null,
        estimated: false,
        found: 'not checked',
      },
      referencedBy: [
        ...own
          .filter(({ direction }) => direction === 'in')
          .map(({ kind, identity }) => `${kind} ${identity}`),
        ...(inBodies.get(table.oid) ?? []).map((identity) => identity + inText),
      ],
      targets: own.flatMap(({ target }) => target ?? []),
      code: search === null ? null : (search.references.get(table.oid) ?? []).map(place),
      since: since === null || restored === undefined || restored < since ? since : restored,
    };
  });
}

function place({ file, line, how }: CodeReference): string {
  return `${file}:${line}${how === 'unparsed' ? ' (SQL that cannot be parsed)' : ''}`;
}

/** Returns the functions and jobs whose text names a table, by the OID of the table. */
function namedInBodies({ tables, bodies }: Evidence): Map<number, string[]> {
  const scanner = makeScanner(tables.map(({ name }) => name));
  const named = new Map<number, Set<string>>();
  for (const { identity, text } of bodies) {
    for (const { name } of scanner.find(text)) {
      const oid = tables[name]?.oid ?? 0;
      named.set(oid, (named.get(oid) ?? new Set()).add(identity));
    }
  }
  return new Map([...named].map(([oid, identities]) => [oid, [...identities]]));
}

/** Maps decisions to the OIDs of their tables. A name without a schema is resolved by the search path. */
function assign(decisions: readonly Decided[], { tables, path, database }: Evidence) {
  const byOid = new Map<number, Decided>();
  const warnings: string[] = [];
  for (const decision of decisions) {
    const schemas = decision.schema === undefined ? path : [decision.schema];
    const found = schemas.flatMap(
      (schema) => tables.find((table) => table.schema === schema && table.name === decision.name) ?? [],
    )[0];
    if (found === undefined) warnings.push(`decisions: ${decision.written} is not a table of ${database}`);
    else byOid.set(found.oid, decision);
  }
  return { byOid, warnings };
}

function unreadIn(
  tables: readonly TableAudit[],
  { role, counting, tables: all, unseen }: Evidence,
): string[] {
  const illegible = all.flatMap(({ sql, illegible: own, columns }) => [
    ...(own ? [`table ${sql}`] : []),
    ...columns.filter((column) => column.illegible).map(({ name }) => `column ${sql}.${identifier(name)}`),
  ]);
  const hidden = tables.filter((table) => table.empty === null).length;
  return [
    ...(hidden === 0
      ? []
      : [`tables that could not be read as ${role}, and are kept for that reason: ${hidden}`]),
    ...unseen.map((name) => `${name} cannot be read; it may name tables`),
    ...(illegible.length === 0
      ? []
      : [`comments that are not in UTF-8, and are printed with escapes: ${list(illegible)}`]),
    ...(counting.reason === null ? [] : [`writes and reads are unknown: ${counting.reason}`]),
  ];
}

function summarise(search: CodeSearch, tables: readonly TableAudit[]): CodeSummary {
  return {
    roots: search.roots,
    files: search.files,
    missing: search.missing,
    unnamed: tables
      .filter(({ evidence }) => evidence.code?.length === 0)
      .map(({ schema, name }) => `${schema}.${name}`),
  };
}
