import { countOf, list, moment } from '../text/units.ts';
import { endsWith, isPlural, isSameName, isSameWord, type NameIndex, wordsOf } from '../text/words.ts';
import type { RowCount } from './row-counts.ts';
import type { Counting, Table } from './tables.ts';

export type RuleName =
  | 'empty'
  | 'unreferenced'
  | 'not-in-code'
  | 'vanished-name'
  | 'superseded'
  | 'not-written';

/** The result of one rule on one table, with its evidence. */
export interface Rule {
  readonly rule: RuleName;
  /** Null if the rule could not be checked. */
  readonly holds: boolean | null;
  readonly found: string;
  /** Whether it holds, but does not make a candidate alone. */
  readonly weak?: boolean;
}

/** A table and the evidence about it. */
export interface Known {
  readonly table: Table;
  readonly count: RowCount;
  /** The objects that reference it, such as `view public.model_performance`. */
  readonly referencedBy: readonly string[];
  /** The OIDs of the tables that its foreign keys reference. */
  readonly targets: readonly number[];
  /** The places in the code that name it, `file:line`; null if no code was searched. */
  readonly code: readonly string[] | null;
  /** When counting of its writes began, ISO 8601; null if they are not counted. */
  readonly since: string | null;
}

/** The maximum number of names in a sentence. */
const most = 5;

/** Holds if the table was read and has no rows. */
export function empty({ count }: Known): Rule {
  const { empty: holds, rows, estimated, found } = count;
  if (holds === null) return { rule: 'empty', holds, found: `unknown: ${found}` };
  if (holds) return { rule: 'empty', holds, found: `0 rows: ${found}` };
  return { rule: 'empty', holds, found: describeRows(rows, estimated) };
}

export function describeRows(rows: number | null, estimated: boolean): string {
  if (rows === null) return 'some rows';
  return `${estimated ? 'about ' : ''}${countOf(rows, 'row')}`;
}

/** Holds if no foreign key, view, function, policy, default, publication, subscription, job or other table references it. */
export function unreferenced({ referencedBy }: Known, unseen: readonly string[]): Rule {
  const rule = 'unreferenced';
  if (referencedBy.length > 0)
    return { rule, holds: false, found: `referenced by ${list(referencedBy, most)}` };
  const found = 'no object references it';
  if (unseen.length === 0) return { rule, holds: true, found };
  return { rule, holds: null, found: `${found}, but ${list(unseen)} cannot be read` };
}

/** Holds if all of the code was searched and does not name the table. */
export function notInCode({ code }: Known, search: { files: number; unread: number } | null): Rule {
  const rule = 'not-in-code';
  if (code === null || search === null)
    return { rule, holds: null, found: 'no code was searched; set --code or CODE_ROOTS' };
  if (code.length > 0) return { rule, holds: false, found: `named in ${list(code, most)}` };
  const files = countOf(search.files, 'file');
  if (search.unread > 0)
    return { rule, holds: null, found: `not named in ${files}, but ${search.unread} could not be read` };
  return { rule, holds: true, found: `not named in ${files}` };
}

/** Holds if the server counts writes and has counted none. */
export function notWritten({ table, since }: Known, { server, reason }: Counting): Rule {
  const rule = 'not-written';
  if (since === null) return { rule, holds: null, found: `unknown on ${server}: ${reason}` };
  if (table.written === null) return { rule, holds: null, found: `no statistics for it on ${server}` };
  const when = `since ${moment(since)} on ${server}`;
  if (table.written === 0) return { rule, holds: true, found: `no rows written ${when}` };
  return { rule, holds: false, found: `${countOf(table.written, 'row')} written ${when}` };
}

// A key with one of these names refers to the same table, to another system, or to no particular table.
const genericStems = [
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
 * Holds if a column is named like a foreign key (`recipe_run_id`), or a comment mentions a table, and no relation of
 * that name exists. Columns of real keys and of polymorphic pairs (`owner_id`, `owner_type`) are not considered. The sign
 * is weak unless both agree: a column may hold a key of another system (`stripe_customer_id`).
 */
export function vanishedName({ table }: Known, relations: NameIndex<string>): Rule {
  const found: string[] = [];
  let weak = true;
  for (const { name, keyed, comment, ofKeyType } of table.columns) {
    const stem = keyed ? undefined : keyStem(name);
    if (stem !== undefined && !isPair(table, stem) && !isKnown(stem, relations)) {
      const mentioned = [table.comment, comment].some((text) => mentions(text, stem));
      if (mentioned && ofKeyType) weak = false;
      found.push(
        `column ${name} is named like a foreign key, but no relation ${stem.join('_')} exists` +
          (mentioned ? ', which a comment mentions too' : ''),
      );
    }
    for (const word of missingTablesIn(comment, table, relations))
      found.push(`the comment on column ${name} mentions ${word}, which does not exist`);
  }
  for (const word of missingTablesIn(table.comment, table, relations))
    found.push(`its comment mentions ${word}, which does not exist`);
  if (found.length > 0) return { rule: 'vanished-name', holds: true, found: found.join('; '), weak };
  return { rule: 'vanished-name', holds: false, found: 'its columns and comments name no missing relation' };
}

/** Returns whether a text contains these words in a row: `Links dialogue steps to …` contains dialogue, step. */
function mentions(text: string | null, stem: readonly string[]): boolean {
  const words = wordsOf((text ?? '').replaceAll(/[^\p{L}\p{N}]+/gu, ' '));
  return words.some((_, at) => stem.every((word, index) => isSameWord(words[at + index] ?? '', word)));
}

/** Returns the words before the `id` or `uuid` of a column: `recipe_run_id` gives recipe, run. */
function keyStem(column: string): string[] | undefined {
  const words = wordsOf(column);
  if (words.length < 2 || !['id', 'uuid'].includes(words.at(-1) ?? '')) return undefined;
  const stem = words.slice(0, -1);
  return stem.length === 1 && genericStems.includes(stem[0] ?? '') ? undefined : stem;
}

function isPair({ columns }: Table, stem: readonly string[]): boolean {
  return columns.some(({ name }) => wordsOf(name).join('_') === `${stem.join('_')}_type`);
}

/** Returns whether a relation matches: `workflow_run` and `run` match workflow_runs, `depends_on_workflow` workflows. */
function isKnown(stem: readonly string[], relations: NameIndex<string>): boolean {
  return relations.hasEnd(stem) || stem.some((_, index) => index > 0 && relations.has(stem.slice(index)));
}

// Words before "table" that are not the name of a table.
const verbs = ['contains', 'has', 'holds', 'its', 'joins', 'links', 'maps', 'references', 'stores', 'uses'];

/** Returns the missing tables that a comment mentions, as `variations table` or `recipe_runs`. */
function missingTablesIn(comment: string | null, table: Table, relations: NameIndex<string>): string[] {
  if (comment === null) return [];
  const own = wordsOf(table.name);
  const columns = table.columns.map(({ name }) => name.toLowerCase());
  const words = [
    // At the beginning of a comment, the word describes this table: "Statistics table".
    ...comment.matchAll(/(?<=\s)(\w+) table\b/gi),
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

/** Limits the comparison where very many tables have the same last word. */
const mostPeers = 200;

const old = ['old', 'legacy', 'deprecated', 'obsolete', 'bak', 'backup', 'copy'];
const ages = new RegExp(`^(?:${old.join('|')}|v\\d+)$`);

/** Columns that tables have in common whatever they contain: keys, times and authors. */
const generic = /^(id|uuid|created|updated|modified|timestamp)$|_(id|uuid|at|on|by)$/i;

/** Words of tables that have the columns of another one on purpose, and are empty most of the time. */
const spares = ['template', 'staging', 'shadow'];

/** The number of other columns in common from which on tables of different names hold the same. */
const enough = 3;

/**
 * Holds if a similarly named table has rows: one with the same name apart from words such as `old` and `v1`, or with the
 * same last word and at least half of its columns in common. A table that this table references with a foreign key does
 * not count, nor does a table that is itself marked as old. The sign is weak if the names differ and the tables have
 * little in common, or if they are parallel, as `job_tags` and `post_tags` are where there are posts.
 */
export function superseded(
  { table, targets }: Known,
  filled: NameIndex<Known>,
  relations: NameIndex<string>,
): Rule {
  const words = agelessWords(table.name);
  const columns = new Set(table.columns.map(({ name }) => name));
  const best = filled
    .endingWith(words.slice(-1))
    .filter((peer) => !targets.includes(peer.table.oid) && (isOld(table) || !isOld(peer.table)))
    .slice(0, mostPeers)
    .map((peer) => ({ peer, ...likeness(words, columns, peer.table) }))
    .filter(({ same, share }) => same || share >= 0.5)
    .sort((a, b) => Number(b.same) - Number(a.same) || b.share - a.share)[0];
  if (best === undefined)
    return { rule: 'superseded', holds: false, found: 'no similarly named table has rows' };
  const { peer, same, shared, telling } = best;
  const { rows, estimated } = peer.count;
  const parallel = relations.has(agelessWords(peer.table.name).slice(0, -1));
  return {
    rule: 'superseded',
    holds: true,
    found: `${peer.table.name} has a similar name, ${describeRows(rows, estimated)}, and ${shared === 1 ? '1 column' : `${shared} columns`} in common`,
    weak: !same && (telling < enough || parallel || words.some((word) => spares.includes(word))),
  };
}

function isOld({ name }: Table): boolean {
  return wordsOf(name).some((word) => old.includes(word));
}

/** Returns the words of a name without those that mark an old version, such as `old` and `v1`. */
export function agelessWords(name: string): readonly string[] {
  const words = wordsOf(name);
  const rest = words.filter((word) => !ages.test(word));
  return rest.length === 0 ? words : rest;
}

function likeness(words: readonly string[], columns: ReadonlySet<string>, other: Table) {
  const common = other.columns.filter(({ name }) => columns.has(name));
  const shared = common.length;
  const telling = common.filter(({ name }) => !generic.test(name)).length;
  // A single common column is ignored: it is often just an id.
  const share = shared < 2 ? 0 : shared / other.columns.length;
  return { same: isSameName(words, agelessWords(other.name)), shared, telling, share };
}
