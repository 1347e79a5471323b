import type { RowCount } from './row-counts.ts';
import type { Counting, Table } from './tables.ts';
import { endsWith, isPlural, isSameName, isSameWord, type NameIndex, wordsOf } from './words.ts';

export type RuleName =
  | 'empty'
  | 'unreferenced'
  | 'not-in-code'
  | 'vanished-name'
  | 'superseded'
  | 'not-written';

/** One check of whether a table is a ghost, with its evidence. */
export interface Rule {
  readonly rule: RuleName;
  /** Null where it could not be checked. */
  readonly holds: boolean | null;
  readonly found: string;
}

/** A table and what was found out about it. */
export interface Known {
  readonly table: Table;
  readonly count: RowCount;
  /** What needs it, such as `view public.model_performance`. */
  readonly referencedBy: readonly string[];
  /** The OIDs of the tables that its foreign keys go to. */
  readonly targets: readonly number[];
  /** Where code names it, `file:line`; null where no code was searched. */
  readonly code: readonly string[] | null;
  /** Since when writes to it are counted, ISO 8601; null where they are not. */
  readonly since: string | null;
}

/** Holds where it was looked and no row was found. */
export function empty({ count }: Known): Rule {
  const { empty: holds, rows, estimated, found } = count;
  if (holds === null) return { rule: 'empty', holds, found: `not to be known: ${found}` };
  if (holds) return { rule: 'empty', holds, found: `0 rows: ${found}` };
  return { rule: 'empty', holds, found: describeRows(rows, estimated) };
}

export function describeRows(rows: number | null, estimated: boolean): string {
  if (rows === null) return 'some rows';
  return `${estimated ? 'about ' : ''}${rows === 1 ? '1 row' : `${rows} rows`}`;
}

/** Holds where no foreign key, view, function, policy, default, publication or table of others needs it. */
export function unreferenced({ referencedBy }: Known): Rule {
  const found = referencedBy.length === 0 ? 'no object refers to it' : `needed by ${list(referencedBy)}`;
  return { rule: 'unreferenced', holds: referencedBy.length === 0, found };
}

/** Holds where code was searched, all of it, and does not name the table. */
export function notInCode({ code }: Known, search: { files: number; unread: number } | null): Rule {
  const rule = 'not-in-code';
  if (code === null || search === null)
    return { rule, holds: null, found: 'no code was searched: --code or CODE_ROOTS' };
  if (code.length > 0) return { rule, holds: false, found: `named in ${list(code)}` };
  const files = search.files === 1 ? '1 file' : `${search.files} files`;
  if (search.unread > 0)
    return { rule, holds: null, found: `not named in ${files}, but ${search.unread} could not be read` };
  return { rule, holds: true, found: `not named in ${files}` };
}

/** Holds where the server counts writes and has counted none. */
export function notWritten({ table, since }: Known, { server, reason }: Counting): Rule {
  const rule = 'not-written';
  if (since === null) return { rule, holds: null, found: `not to be known on ${server}: ${reason}` };
  if (table.written === null) return { rule, holds: null, found: `nothing is counted of it on ${server}` };
  const when = `since ${moment(since)} on ${server}`;
  if (table.written === 0) return { rule, holds: true, found: `nothing written ${when}` };
  return {
    rule,
    holds: false,
    found: `${table.written === 1 ? '1 row' : `${table.written} rows`} written ${when}`,
  };
}

/** ISO 8601 to the minute, in UTC. */
export function moment(time: string): string {
  return `${new Date(time).toISOString().slice(0, 16)}Z`;
}

// Keys of these names lead to the same table, to a system elsewhere, or to nothing in particular.
const nobody = [
  'parent',
  'child',
  'root',
  'previous',
  'next',
  'original',
  'external',
  'remote',
  'foreign',
  'correlation',
  'trace',
  'request',
  'transaction',
];

/**
 * Holds where a column is named like a key, `recipe_run_id`, or the comment speaks of a table, and there is no relation
 * of that name. Columns of real keys say nothing here, nor does the half of a polymorphic pair (`owner_id`,
 * `owner_type`).
 */
export function vanishedName({ table }: Known, relations: NameIndex<string>): Rule {
  const found: string[] = [];
  for (const { name, keyed, comment } of table.columns) {
    const stem = keyed ? undefined : keyStem(name);
    if (stem !== undefined && !isPair(table, stem) && !isKnown(stem, relations))
      found.push(`column ${name} is named like a key, and there is no ${stem.join('_')}`);
    for (const word of tablesIn(comment, table, relations))
      found.push(`the comment on column ${name} speaks of ${word}, which does not exist`);
  }
  for (const word of tablesIn(table.comment, table, relations))
    found.push(`its comment speaks of ${word}, which does not exist`);
  if (found.length > 0) return { rule: 'vanished-name', holds: true, found: found.join('; ') };
  return { rule: 'vanished-name', holds: false, found: 'it names no table that does not exist' };
}

/** What `recipe_run_id`, `recipeRunId` or `recipe_run_uuid` is the key of. */
function keyStem(column: string): string[] | undefined {
  const words = wordsOf(column);
  if (words.length < 2 || !['id', 'uuid'].includes(words.at(-1) ?? '')) return undefined;
  const stem = words.slice(0, -1);
  return stem.length === 1 && nobody.includes(stem[0] ?? '') ? undefined : stem;
}

function isPair({ columns }: Table, stem: readonly string[]): boolean {
  return columns.some(({ name }) => wordsOf(name).join('_') === `${stem.join('_')}_type`);
}

/** `workflow_run` and `run` are workflow_runs; `depends_on_workflow` is workflows. */
function isKnown(stem: readonly string[], relations: NameIndex<string>): boolean {
  return relations.hasEnd(stem) || stem.some((_, index) => index > 0 && relations.has(stem.slice(index)));
}

// Words that stand before "table" and name none.
const verbs = ['contains', 'has', 'holds', 'its', 'joins', 'links', 'maps', 'references', 'stores', 'uses'];

/** Names of tables that a comment speaks of, as `variations table`, `table variations` or `recipe_runs`, and that are not there. */
function tablesIn(comment: string | null, table: Table, relations: NameIndex<string>): string[] {
  if (comment === null) return [];
  const own = wordsOf(table.name);
  const columns = table.columns.map(({ name }) => name.toLowerCase());
  const words = [
    // At the beginning it says what this one is: "Statistics table".
    ...comment.matchAll(/(?<=\s)(\w+) table\b/gi),
    ...comment.matchAll(/\btable (\w+)/gi),
    ...comment.matchAll(/\b([a-z]\w*_\w+)\b/g),
  ].map(([, word = '']) => word.toLowerCase());
  return [...new Set(words)].filter((word) => {
    const parts = wordsOf(word);
    return (
      isPlural(parts.at(-1) ?? '') &&
      !verbs.includes(word) &&
      !columns.includes(word) &&
      !endsWith(own, parts) &&
      !own.some((part) => parts.length === 1 && isSameWord(part, parts[0] ?? '')) &&
      !isKnown(parts, relations)
    );
  });
}

/** Of thousands of tables with one ending, none is the one. */
const mostPeers = 200;

const ages = /^(old|legacy|deprecated|obsolete|bak|backup|copy|v\d+)$/;

/**
 * Holds where a table of a like name has rows: the same name but for words such as `old` and `v1`, or the same last word
 * and at least half of its columns. A table that has a foreign key to the other one works with it, and is not
 * superseded by it.
 */
export function superseded({ table, targets }: Known, filled: NameIndex<Known>): Rule {
  const words = agelessWords(table.name);
  const columns = new Set(table.columns.map(({ name }) => name));
  const best = filled
    .endingWith(words.slice(-1))
    .filter((peer) => !targets.includes(peer.table.oid))
    .slice(0, mostPeers)
    .map((peer) => ({ peer, ...likeness(words, columns, peer.table) }))
    .filter(({ same, share }) => same || share >= 0.5)
    .sort((a, b) => Number(b.same) - Number(a.same) || b.share - a.share)[0];
  if (best === undefined)
    return { rule: 'superseded', holds: false, found: 'no table of a like name has rows' };
  const { peer, shared } = best;
  const { rows, estimated } = peer.count;
  return {
    rule: 'superseded',
    holds: true,
    found: `${peer.table.name} is named alike, has ${describeRows(rows, estimated)} and ${shared} of the same columns`,
  };
}

/** The words of a name without those that tell its age. */
export function agelessWords(name: string): readonly string[] {
  const words = wordsOf(name);
  const rest = words.filter((word) => !ages.test(word));
  return rest.length === 0 ? words : rest;
}

function likeness(words: readonly string[], columns: ReadonlySet<string>, other: Table) {
  const shared = other.columns.filter(({ name }) => columns.has(name)).length;
  // One column in common is none: that may be any id.
  const share = shared < 2 ? 0 : shared / other.columns.length;
  return { same: isSameName(words, agelessWords(other.name)), shared, share };
}

const most = 5;

function list(names: readonly string[]): string {
  const more = names.length - most;
  return [...names.slice(0, most), ...(more > 0 ? [`${more} more`] : [])].join(', ');
}
