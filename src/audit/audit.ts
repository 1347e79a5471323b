import { readEntries } from '../archive/entries.ts';
import { sqlState } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { groupBy } from '../text/group-by.ts';
import { makeScanner } from './code/scanner.ts';
import type { CodeReference, CodeSearch } from './code/search.ts';
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
import { type Body, type Link, readBodies, readLinks } from './relations.ts';
import { countRows, type RowCount } from './row-counts.ts';
import { describeEvidence, inText, type TableEvidence } from './table-evidence.ts';
import { type Counting, readCounting, readRelationNames, readTables, type Table } from './tables.ts';
import { type Judgement, judge } from './verdict.ts';
import { NameIndex, wordsOf } from './words.ts';

/** What the database says, before any of it is judged. */
export interface Evidence {
  readonly database: string;
  readonly role: string;
  readonly counting: Counting;
  /** Those of all user schemas. */
  readonly tables: readonly Table[];
  /** The names of all relations, views and sequences included. */
  readonly relations: readonly string[];
  /** By OID. */
  readonly counts: ReadonlyMap<number, RowCount>;
  readonly links: readonly Link[];
  readonly bodies: readonly Body[];
  /** When tables came back from the archive, ISO 8601, by qualified name. */
  readonly restored: ReadonlyMap<string, string>;
  /** The schemas of the search path. */
  readonly path: readonly string[];
}

/** Reads all that the rules need of the database; needs no right to any table. */
export async function readEvidence(session: Session): Promise<Evidence> {
  const tables = await readTables(session);
  return {
    database: session.database,
    role: session.role,
    counting: await readCounting(session),
    tables,
    relations: await readRelationNames(session),
    counts: await countRows(session, tables),
    links: await readLinks(session),
    bodies: await readBodies(session),
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
    // The archive is closed to others than who migrates.
    if (sqlState(error) === '42501') return new Map();
    throw error;
  }
}

/** One table, judged. This is what `undrop audit --json` prints under `tables`. */
export interface TableAudit extends Judgement {
  readonly schema: string;
  readonly name: string;
  /** Null where it could not be looked into. */
  readonly empty: boolean | null;
  /** Null where it is not known; see `evidence.rowsEstimated`. */
  readonly rows: number | null;
  readonly rules: readonly Rule[];
  readonly evidence: TableEvidence;
}

/** A database, judged. */
export interface Audit {
  readonly database: string;
  readonly counting: Counting;
  readonly counts: Readonly<Record<'tables' | 'empty' | 'candidate' | 'ask' | 'keep', number>>;
  readonly tables: readonly TableAudit[];
  /** What could not be looked at, and what does not fit. */
  readonly warnings: readonly string[];
  /** Null where none was searched. */
  readonly code: CodeSummary | null;
}

export interface CodeSummary {
  readonly roots: readonly string[];
  readonly files: number;
  /** Tables that SQL in the code names and that do not exist. */
  readonly missing: CodeSearch['missing'];
  /** Tables that no code names. */
  readonly unnamed: readonly string[];
}

/**
 * Judges every table of some schemas.
 *
 * @param schemas all where it is undefined
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
  const codeComplete = search === null || search.unread.length === 0;

  const tables = known
    .filter(({ table }) => schemas === undefined || schemas.includes(table.schema))
    .map((one): TableAudit => {
      const { table, count } = one;
      const rules = [
        empty(one),
        unreferenced(one),
        notInCode(one, search === null ? null : { files: search.files, unread: search.unread.length }),
        // What they say is a sign only where there are no rows.
        ...(count.empty === true ? [vanishedName(one, relations), superseded(one, filled)] : []),
        notWritten(one, evidence.counting),
      ];
      const decision = decided.byOid.get(table.oid);
      return {
        schema: table.schema,
        name: table.name,
        empty: count.empty,
        rows: count.rows,
        ...judge(rules, decision, table.extension, codeComplete),
        rules,
        evidence: describeEvidence(one, byTable.get(table.oid) ?? [], evidence.counting, search, decision),
      };
    });

  return {
    database: evidence.database,
    counting: evidence.counting,
    counts: {
      tables: tables.length,
      empty: tables.filter((one) => one.empty === true).length,
      candidate: tables.filter(({ verdict }) => verdict === 'candidate').length,
      ask: tables.filter(({ verdict }) => verdict === 'ask').length,
      keep: tables.filter(({ verdict }) => verdict === 'keep').length,
    },
    tables,
    warnings: [...decided.warnings, ...(search?.unread ?? []), ...unseen(tables, evidence)],
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
        found: 'it was not looked into',
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
  return `${file}:${line}${how === 'unparsed' ? ' (SQL that does not parse)' : ''}`;
}

/** Which functions have a text that names a table. */
function namedInBodies({ tables, bodies }: Evidence): Map<number, string[]> {
  const scanner = makeScanner(tables.map(({ name }) => name));
  const named = new Map<number, Set<string>>();
  for (const { identity, text } of bodies) {
    for (const { name } of scanner.find(Buffer.from(text))) {
      const oid = tables[name]?.oid ?? 0;
      named.set(oid, (named.get(oid) ?? new Set()).add(identity));
    }
  }
  return new Map([...named].map(([oid, identities]) => [oid, [...identities]]));
}

/** Decisions by OID: a name without a schema is looked for along the search path. */
function assign(decisions: readonly Decided[], { tables, path, database }: Evidence) {
  const byOid = new Map<number, Decided>();
  const warnings: string[] = [];
  for (const decision of decisions) {
    const schemas = decision.schema === undefined ? path : [decision.schema];
    const found = schemas.flatMap(
      (schema) => tables.find((table) => table.schema === schema && table.name === decision.name) ?? [],
    )[0];
    if (found === undefined)
      warnings.push(`decisions: ${decision.written} is decided on, but is no table of ${database}`);
    else byOid.set(found.oid, decision);
  }
  return { byOid, warnings };
}

function unseen(tables: readonly TableAudit[], { role, counting }: Evidence): string[] {
  const hidden = tables.filter((one) => one.empty === null).length;
  return [
    ...(hidden === 0
      ? []
      : [`${hidden} of the tables could not be looked into as ${role}; they are kept, whatever they hold`]),
    ...(counting.reason === null ? [] : [`writes and reads are not to be known: ${counting.reason}`]),
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
