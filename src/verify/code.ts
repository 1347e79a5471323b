import type { KeptEntry } from '../archive/entries.ts';
import type { CodeReference } from '../audit/code/inspect.ts';
import { type CodeSearch, searchCode } from '../audit/code/search.ts';
import { parseTableName } from '../options/table-name.ts';
import { countOf, list } from '../text/units.ts';
import type { Check } from './format.ts';

/**
 * Checks whether code still uses dropped tables. A name in SQL fails the check. A name elsewhere, such as in a comment, a
 * migration or a model, is only reported.
 *
 * @param roots folders and files of code
 * @param open the open entries
 * @param strict whether a name elsewhere fails the check too
 * @throws UndropError `bad-options` if a root does not exist
 */
export async function checkCode(
  roots: readonly string[],
  open: readonly KeptEntry[],
  strict: boolean,
): Promise<Check> {
  const name = 'code names no dropped table';
  if (roots.length === 0)
    return { name, state: 'not checked', found: 'neither --code nor CODE_ROOTS is set' };
  if (open.length === 0) return { name, state: 'not checked', found: 'no open entry' };
  const tables = open.flatMap((entry) => entry.tables);
  const wanted = tables.map(({ sql }, oid) => {
    const { schema = '', name } = parseTableName(sql);
    return { oid, schema, name };
  });
  const search = await searchCode(roots, wanted, []);
  const named = wanted.flatMap(({ oid }) =>
    (search.references.get(oid) ?? []).map((place) => ({ ...place, table: tables[oid]?.sql ?? '' })),
  );
  const inSql = ({ how }: CodeReference) => how === 'sql' || how === 'unparsed';
  const used = named.filter((place) => strict || inSql(place));
  const rest = named.filter((place) => !strict && !inSql(place));
  const found = [
    ...(used.length === 0 ? [] : [list(used.map(describe))]),
    ...(rest.length === 0 ? [] : [`as a word only: ${list(rest.map(describe))}`]),
    ...search.unread,
    searched(search),
  ].join('; ');
  if (used.length > 0) return { name, state: 'failed', found };
  return { name, state: search.unread.length > 0 ? 'not checked' : 'ok', found };
}

const describe = ({ table, file, line }: CodeReference & { table: string }) => `${table} in ${file}:${line}`;

function searched({ files, roots }: CodeSearch): string {
  return `${countOf(files, 'file')} in ${roots.join(', ')}`;
}
