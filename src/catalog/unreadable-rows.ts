import { isVerdict, serverWords, sqlState, UndropError } from '../errors.ts';
import { explain } from '../session/server-errors.ts';
import type { Session } from '../session/session.ts';

// The server evaluates constant parts of these expressions when it plans a query on the table, and expands SQL functions.
const indexesSql = /* sql */ `
  select pg_catalog.format('%I.%I', n.nspname, c.relname) as name
  from pg_catalog.pg_index as i
  join pg_catalog.pg_class as c on c.oid = i.indexrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where i.indrelid = pg_catalog.to_regclass($1) and (i.indexprs is not null or i.indpred is not null)
  order by name`;

/**
 * Returns the error for rows that could not be read or copied: with the table, or its indexes with expressions. An error
 * that does not come from the rows or the table, such as a timeout or a full disk, is explained as one of the server.
 *
 * @param table qualified and quoted name
 */
export async function explainRows(session: Session, error: unknown, table: string): Promise<unknown> {
  if (!isVerdict(error)) return explain(error, { subject: table, words: `rows of ${table}` });
  const state = sqlState(error) ?? '';
  if (tooLarge.has(state)) {
    return new UndropError('not-reproducible', {
      subject: table,
      message: `A row of ${table} is too large for the archive, or cannot be read.`,
      reason: serverWords(error),
      next: 'Nothing was changed. Move or delete large values, or remove the table from the migration.',
      cause: error,
    });
  }
  const indexes = await session.read<{ name: string }>(indexesSql, [table]);
  const names = indexes.map(({ name }) => name).join(', ');
  return new UndropError('not-reproducible', {
    subject: names || table,
    message: `The rows of ${table} could not be read.`,
    reason: names === '' ? serverWords(error) : `${serverWords(error)}\nIndexes with expressions: ${names}`,
    next:
      names === ''
        ? 'Nothing was changed. Remove the cause, or remove the table from the migration.'
        : 'Nothing was changed. Their functions must not depend on the search path, which pg_dump also empties: alter function … set search_path = …',
    cause: error,
  });
}

// program_limit_exceeded; internal_error, which memory allocations of more than 1 GB fail with.
// https://www.postgresql.org/docs/current/errcodes-appendix.html
const tooLarge = new Set(['54000', 'XX000']);
