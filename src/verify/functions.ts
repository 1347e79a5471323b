import type { KeptEntry } from '../archive/entries.ts';
import { loadParser, type SqlUse } from '../audit/code/sql.ts';
import { readPresent } from '../catalog/present.ts';
import { parseTableName, quoteName } from '../options/table-name.ts';
import type { Session } from '../session/session.ts';
import { list } from '../text/units.ts';
import type { Check } from './format.ts';

interface Body {
  readonly identity: string;
  readonly text: string;
  /** The search path that the function sets; null if it sets none. */
  readonly path: string | null;
}

const bodiesSql = /* sql */ `
  select i.identity, p.prosrc as text, (
    select pg_catalog.substr(s.setting, pg_catalog.length('search_path=') + 1)
    from pg_catalog.unnest(p.proconfig) as s (setting)
    where pg_catalog.starts_with(s.setting, 'search_path=')) as path
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_language as l on l.oid = p.prolang and l.lanname = 'sql'
  cross join lateral pg_catalog.pg_identify_object(p.tableoid, p.oid, 0) as i
  where p.oid >= 16384 and p.prosqlbody is null
    and not exists (
      select from pg_catalog.pg_depend as d
      where d.classid = p.tableoid and d.objid = p.oid and d.deptype = 'e')
  order by i.identity`;

// Archives record all dropped relations since format 4.
const goneSql = /* sql */ `
  select n.name
  from undrop.drops as d
  cross join lateral pg_catalog.jsonb_object_keys(nullif(pg_catalog.to_jsonb(d) -> 'oids', 'null')) as n (name)
  where d.id = any ($1)`;

/**
 * Checks whether SQL functions name tables or views that are dropped. PostgreSQL records no dependencies of a body that is
 * a string. The validator of the language would find them, but it also evaluates literals of arrays and rows, which calls
 * the functions in constraints of domains, whoever owns them. So the body is parsed here.
 * https://www.postgresql.org/docs/current/sql-createlanguage.html
 *
 * @param open the open entries of the archive
 * @returns no checks if there are no open entries or no such functions
 */
export async function checkFunctions(session: Session, open: readonly KeptEntry[]): Promise<Check[]> {
  if (open.length === 0) return [];
  const bodies = await session.read<Body>(bodiesSql);
  if (bodies.length === 0) return [];
  const gone = await readGone(session, open);
  const parse = await loadParser();
  const broken: string[] = [];
  const unread: string[] = [];
  const words: string[] = [];
  for (const { identity, text, path } of bodies) {
    const uses = parse(text)?.uses.filter(({ use }) => use === 'needs');
    if (uses === undefined) unread.push(identity);
    else {
      const found = await findGone(session, gone, uses, path);
      broken.push(...found.map((sql) => `${identity} names ${sql}`));
      const rest = gone.filter(
        ({ name }) => !uses.some((use) => isLike(use.name, name)) && hasWord(text, name),
      );
      words.push(...rest.map(({ sql }) => `${sql} in ${identity}`));
    }
  }
  const found = [
    ...(broken.length === 0 ? [] : [list(broken)]),
    ...(words.length === 0 ? [] : [`as a word only: ${list(words)}`]),
    ...(unread.length === 0 ? [] : [`not parsed: ${list(unread)}`]),
    `${bodies.length} in SQL`,
  ].join('; ');
  const state = broken.length > 0 ? 'failed' : unread.length > 0 ? 'not checked' : 'ok';
  return [{ name: 'SQL functions name no dropped table', state, found }];
}

interface Gone {
  readonly sql: string;
  readonly schema: string | undefined;
  readonly name: string;
}

async function readGone(session: Session, open: readonly KeptEntry[]): Promise<Gone[]> {
  const along = await session.read<{ name: string }>(goneSql, [open.map(({ id }) => id)]);
  const names = [
    ...open.flatMap(({ tables }) => tables.map(({ sql }) => sql)),
    ...along.map(({ name }) => name),
  ];
  return [...new Set(names)].map((sql) => ({ ...parseTableName(sql), sql }));
}

/** Returns the dropped relations that the body names and that do not exist. */
async function findGone(
  session: Session,
  gone: readonly Gone[],
  uses: readonly SqlUse[],
  path: string | null,
): Promise<string[]> {
  const found = new Set<string>();
  for (const use of uses) {
    const like = gone.filter(({ name }) => name === use.name);
    if (like.length === 0) continue;
    const schemas = use.schema === undefined ? schemasOf(session, path) : [use.schema];
    const named = like.find(({ schema }) => schemas.includes(schema ?? ''));
    const places = schemas.map((schema) => `${quoteName(schema)}.${quoteName(use.name)}`);
    if (named !== undefined && (await readPresent(session, places)).length === 0) found.add(named.sql);
  }
  return [...found];
}

const isLike = (one: string, other: string) => one.toLowerCase() === other.toLowerCase();

/** Whether the text contains the name as a word, as in `'posts'::regclass`, but also as a column or in a comment. */
function hasWord(text: string, name: string): boolean {
  const literal = name.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return new RegExp(
    `(?<![\\p{L}\\p{N}_$])${literal}(?![\\p{L}\\p{N}_$])`,
    name === name.toLowerCase() ? 'iu' : 'u',
  ).test(text);
}

/**
 * Returns the schemas of a search path. If a function sets none, the path of its callers is unknown, and that of this
 * session is used.
 */
function schemasOf(session: Session, path: string | null): readonly string[] {
  if (path === null) return session.schemas;
  return [...path.matchAll(/"((?:[^"]|"")*)"|[^\s,"]+/g)].map(([word, quoted]) => {
    const name = quoted?.replaceAll('""', '"') ?? word.toLowerCase();
    return name === '$user' ? session.role : name;
  });
}
