/** A relation that a piece of SQL names, according to the parser of PostgreSQL 18. */
export interface SqlUse {
  readonly schema: string | undefined;
  readonly name: string;
  /** The position in bytes; undefined if the parser does not report it. */
  readonly offset: number | undefined;
  /** Begin and end of its statement, in bytes. */
  readonly start: number;
  readonly end: number;
  /** Whether the statement reads or writes it, so that it must exist; false if it creates, alters or drops it. */
  readonly needed: boolean;
}

/** The result of parsing a text as SQL. */
export interface ParsedSql {
  readonly uses: readonly SqlUse[];
  /** String constants, and statements with a body such as CREATE FUNCTION. In these only whole words are searched. */
  readonly opaque: readonly { start: number; end: number }[];
}

/** Returns undefined if the text cannot be parsed. */
export type ParseSql = (text: string) => ParsedSql | undefined;

interface Node {
  readonly [key: string]: unknown;
}

/** Loads the parser, a WebAssembly module. This takes about 60 ms. */
export async function loadParser(): Promise<ParseSql> {
  const { loadModule, parseSync } = await import('libpg-query');
  await loadModule();
  return (text) => {
    let parsed: { stmts?: { stmt?: Node; stmt_location?: number; stmt_len?: number }[] };
    try {
      parsed = parseSync(text) as typeof parsed;
    } catch {
      return undefined;
    }
    const length = Buffer.byteLength(text);
    const uses: SqlUse[] = [];
    const opaque: { start: number; end: number }[] = [];
    for (const { stmt, stmt_location: start = 0, stmt_len: size } of parsed.stmts ?? []) {
      const end = size === undefined ? length : start + size;
      const [kind = ''] = Object.keys(stmt ?? {});
      const needed = needing.has(kind);
      collect(stmt, new Set(), {
        use: (schema, name, offset) => uses.push({ schema, name, offset, start, end, needed }),
        text: (from, size) => opaque.push({ start: from, end: from + size }),
      });
      if (kind === 'CreateFunctionStmt' || kind === 'DoStmt') opaque.push({ start, end });
    }
    return { uses, opaque };
  };
}

const needing = new Set([
  'SelectStmt',
  'InsertStmt',
  'UpdateStmt',
  'DeleteStmt',
  'MergeStmt',
  'CopyStmt',
  'TruncateStmt',
]);

interface Add {
  use(schema: string | undefined, name: string, offset: number | undefined): void;
  text(from: number, size: number): void;
}

/** Walks the parse tree. Names that a WITH clause defines are in `known`, and are not tables. */
function collect(node: unknown, known: ReadonlySet<string>, add: Add): void {
  if (Array.isArray(node)) {
    for (const child of node) collect(child, known, add);
    return;
  }
  if (typeof node !== 'object' || node === null) return;
  const { withClause } = node as Node;
  const inside = withClause === undefined ? known : collectWith(withClause as Node, known, add);
  for (const key in node) {
    const value = (node as Node)[key];
    if (typeof value !== 'object' || value === null || key === 'withClause') continue;
    if ('relname' in value && 'relpersistence' in value) addRangeVar(value, inside, add);
    else if (key === 'DropStmt' || key === 'CommentStmt') addNames(value as Node, add);
    else if (key === 'A_Const') addText(value as Node, add);
    collect(value, inside, add);
  }
}

/** Each query of a WITH clause sees the queries before it; with RECURSIVE it sees all of them. */
function collectWith(clause: Node, outside: ReadonlySet<string>, add: Add): ReadonlySet<string> {
  const known = new Set(outside);
  const queries = ((clause.ctes ?? []) as Node[]).map((query) => query.CommonTableExpr as Node);
  if (clause.recursive === true) for (const { ctename } of queries) known.add(String(ctename));
  for (const { ctename, ctequery } of queries) {
    collect(ctequery, known, add);
    known.add(String(ctename));
  }
  return known;
}

function addRangeVar({ schemaname, relname, location }: Node, known: ReadonlySet<string>, add: Add): void {
  const name = String(relname);
  if (schemaname === undefined && known.has(name)) return;
  add.use(schemaname as string | undefined, name, typeof location === 'number' ? location : undefined);
}

const ofTables = new Set([
  'OBJECT_TABLE',
  'OBJECT_VIEW',
  'OBJECT_MATVIEW',
  'OBJECT_FOREIGN_TABLE',
  'OBJECT_COLUMN',
]);

/** `drop table a, b` and `comment on table a` contain lists of strings without positions. */
function addNames({ removeType, objtype, objects, object }: Node, add: Add): void {
  const kind = String(removeType ?? objtype);
  if (!ofTables.has(kind)) return;
  for (const target of (objects ?? [object]) as Node[]) {
    const items = ((target.List as Node | undefined)?.items ?? []) as Node[];
    const texts = items.map((item) => String((item.String as Node | undefined)?.sval ?? ''));
    const names = kind === 'OBJECT_COLUMN' ? texts.slice(0, -1) : texts;
    add.use(names.at(-2), names.at(-1) ?? '', undefined);
  }
}

/** A string constant can name a table too: `'posts'::regclass`, `pg_relation_size('posts')`. */
function addText({ sval, location = 0 }: Node, add: Add): void {
  if (typeof sval !== 'object' || sval === null) return;
  const { sval: text = '' } = sval as { sval?: string };
  add.text(location as number, Buffer.byteLength(text) + 2);
}
