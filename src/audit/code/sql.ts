/** Offsets in bytes; `end` is behind the last one. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export function isInside(offset: number, ranges: readonly Range[]): boolean {
  return ranges.some(({ start, end }) => offset >= start && offset < end);
}

/** A relation or type that a piece of SQL names, according to the parser of PostgreSQL 18. */
export interface SqlUse extends Range {
  readonly schema: string | undefined;
  readonly name: string;
  /** The position in bytes; undefined if the parser does not report it. `start` and `end` are those of the statement. */
  readonly offset: number | undefined;
  /** `needs`: the statement reads or writes it, so that it must exist; `defines`: it creates, alters or drops it. */
  readonly use: 'needs' | 'defines' | 'mentions';
}

/** The result of parsing a text as SQL. */
export interface ParsedSql {
  readonly uses: readonly SqlUse[];
  /**
   * Whether a word that is none of the uses may name a table nevertheless: it is in a string constant, or in a statement
   * other than a query, whose parse tree has names without positions, and it is neither a column nor in a comment.
   */
  mayName(offset: number): boolean;
}

/** Returns undefined if the text cannot be parsed. */
export type ParseSql = (text: string) => ParsedSql | undefined;

interface Node {
  readonly [key: string]: unknown;
}

// In these, the parse tree has a position for each table.
const queries = new Set(['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt']);
const needing = new Set([...queries, 'CopyStmt', 'TruncateStmt']);

interface Statement extends Range {
  /** Whether `uses` contains all tables that it names outside of string constants. */
  readonly complete: boolean;
  readonly columns: readonly number[];
}

/** Loads the parser, a WebAssembly module. This takes about 60 ms. */
export async function loadParser(): Promise<ParseSql> {
  const { loadModule, parseSync, scanSync } = await import('libpg-query');
  await loadModule();
  return (text) => {
    let parsed: { stmts?: { stmt?: Node; stmt_location?: number; stmt_len?: number }[] };
    try {
      parsed = parseSync(text) as typeof parsed;
    } catch {
      return undefined;
    }
    const bytes = Buffer.from(text);
    const uses: SqlUse[] = [];
    const statements: Statement[] = [];
    for (const { stmt, stmt_location: start = 0, stmt_len: size } of parsed.stmts ?? []) {
      const end = size === undefined ? bytes.length : start + size;
      const [kind = ''] = Object.keys(stmt ?? {});
      const use = needing.has(kind) ? 'needs' : 'defines';
      const { relations, mentions, columns } = collectNames(stmt);
      for (const name of relations) uses.push({ ...name, use, start, end });
      for (const name of mentions) uses.push({ ...name, use: 'mentions', start, end });
      statements.push({
        start,
        end,
        complete: queries.has(kind) || listsTables(kind, stmt?.[kind] as Node),
        columns,
      });
    }
    const tokens = new Map<Statement, readonly Token[]>();
    const mayName = (offset: number): boolean => {
      const statement = statements.find(({ start, end }) => offset >= start && offset < end);
      if (statement === undefined) return false;
      const { start, end, complete, columns } = statement;
      const scanned = tokens.get(statement) ?? scanSync(bytes.toString('utf8', start, end)).tokens;
      tokens.set(statement, scanned);
      const kind = scanned.find((token) => isInside(offset - start, [token]))?.tokenName ?? '';
      if (complete) return strings.has(kind);
      return !comments.has(kind) && !columns.some((at) => isInside(offset, [chainAt(bytes, at)]));
    };
    return { uses, mayName };
  };
}

interface Token extends Range {
  readonly tokenName: string;
}

// https://github.com/postgres/postgres/blob/master/src/backend/parser/gram.y
const comments = new Set(['SQL_COMMENT', 'C_COMMENT']);
/** A string constant can name a table: `'posts'::regclass`, `pg_relation_size('posts')`. */
const strings = new Set(['SCONST', 'USCONST']);

/** The range of a name such as `t.a` or `"T"."A"`. */
function chainAt(bytes: Buffer, start: number): Range {
  const text = bytes.toString('latin1', start, start + 400);
  const part = String.raw`(?:"[^"]*"|[\w$\x80-\xff]+)`;
  const [chain = ''] = new RegExp(`^${part}(?:\\s*\\.\\s*${part})*`).exec(text) ?? [];
  return { start, end: start + chain.length };
}

interface Name {
  readonly schema: string | undefined;
  readonly name: string;
  readonly offset: number | undefined;
}

/** The names in the parse tree of a statement. */
interface Names {
  readonly relations: Name[];
  /** Types, and tables that qualify a column: `t.id` in a text that does not contain the whole statement. */
  readonly mentions: Name[];
  /** Offsets of the names of columns. */
  readonly columns: number[];
}

function collectNames(statement: unknown): Names {
  const names: Names = { relations: [], mentions: [], columns: [] };
  const qualifiers: Name[] = [];
  const aliases = new Set<string>();
  collect(statement, new Set(), { ...names, qualifiers, aliases });
  for (const { name } of names.relations) aliases.add(name);
  names.mentions.push(...qualifiers.filter(({ name }) => !aliases.has(name)));
  return names;
}

interface Collected extends Names {
  readonly qualifiers: Name[];
  /** Names of tables of FROM clauses and of WITH queries. */
  readonly aliases: Set<string>;
}

/** Walks the parse tree. Names that a WITH clause defines are in `known`, and are not tables. */
function collect(node: unknown, known: ReadonlySet<string>, into: Collected): void {
  if (Array.isArray(node)) {
    for (const child of node) collect(child, known, into);
    return;
  }
  if (typeof node !== 'object' || node === null) return;
  const { withClause } = node as Node;
  const inside = withClause === undefined ? known : collectWith(withClause as Node, known, into);
  for (const key in node) {
    const value = (node as Node)[key];
    if (typeof value !== 'object' || value === null || key === 'withClause') continue;
    if ('relname' in value && 'relpersistence' in value) addRangeVar(value, inside, into);
    else if (listsTables(key, value as Node)) addNames(value as Node, into);
    else if ('typemod' in value && 'names' in value) addType(value as Node, into);
    else if (key === 'alias') into.aliases.add(String((value as Node).aliasname));
    else if (key === 'ColumnRef') addColumn(value as Node, into);
    else if (key === 'ColumnDef') into.columns.push(positionOf(value as Node) ?? 0);
    collect(value, inside, into);
  }
}

/** Each query of a WITH clause sees the queries before it; with RECURSIVE it sees all of them. */
function collectWith(clause: Node, outside: ReadonlySet<string>, into: Collected): ReadonlySet<string> {
  const known = new Set(outside);
  const ctes = ((clause.ctes ?? []) as Node[]).map((query) => query.CommonTableExpr as Node);
  for (const { ctename } of ctes) into.aliases.add(String(ctename));
  if (clause.recursive === true) for (const { ctename } of ctes) known.add(String(ctename));
  for (const { ctename, ctequery } of ctes) {
    collect(ctequery, known, into);
    known.add(String(ctename));
  }
  return known;
}

function positionOf({ location }: Node): number | undefined {
  return typeof location === 'number' && location >= 0 ? location : undefined;
}

function addRangeVar(node: Node, known: ReadonlySet<string>, { relations }: Collected): void {
  const { schemaname, relname } = node;
  const name = String(relname);
  if (schemaname === undefined && known.has(name)) return;
  relations.push({ schema: schemaname as string | undefined, name, offset: positionOf(node) });
}

const ofTables = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_FOREIGN_TABLE',
  'OBJECT_COLUMN',
]);

/** `drop table a, b` and `comment on table a` contain lists of strings without positions. */
function addNames({ removeType, objtype, objects, object }: Node, { relations }: Collected): void {
  const kind = removeType ?? objtype;
  for (const target of (objects ?? [object]) as Node[]) {
    const texts = textsOf(((target.List as Node | undefined)?.items ?? []) as Node[]);
    const names = kind === 'OBJECT_COLUMN' ? texts.slice(0, -1) : texts;
    relations.push({ schema: names.at(-2), name: names.at(-1) ?? '', offset: undefined });
  }
}

function listsTables(statement: string, { removeType, objtype }: Node): boolean {
  return /^(Drop|Comment)Stmt$/.test(statement) && ofTables.has(String(removeType ?? objtype));
}

function textsOf(nodes: readonly Node[]): string[] {
  return nodes.map((node) => String((node.String as Node | undefined)?.sval ?? ''));
}

/** The row type of a table has its name: `null::posts`, `setof posts`. */
function addType(node: Node, { mentions }: Collected): void {
  const names = textsOf(node.names as Node[]);
  if (names.length === 2 && names[0] === 'pg_catalog') return;
  mentions.push({ schema: names.at(-2), name: names.at(-1) ?? '', offset: positionOf(node) });
}

function addColumn(node: Node, { columns, qualifiers }: Collected): void {
  const names = textsOf(node.fields as Node[]);
  const offset = positionOf(node);
  columns.push(offset ?? 0);
  if (names.length > 1) qualifiers.push({ schema: names.at(-3), name: names.at(-2) ?? '', offset });
}
