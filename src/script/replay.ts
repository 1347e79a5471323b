import { unpublished } from '../catalog/unpublished.ts';
import { serverWords, sqlState, UndropError } from '../errors.ts';
import { type Settled, settleMade } from '../restore/mark-restored.ts';
import type { Session } from '../session/session.ts';
import { insertRows, tableOf } from './insert-rows.ts';
import { readScript, type ScriptPart } from './read.ts';

export interface RestoredDdl {
  readonly file: string;
  readonly statements: number;
  /** The tables that the file created. */
  readonly tables: readonly string[];
  /** The open entries of the archive whose tables all exist now. */
  readonly entries: readonly Settled[];
  /** The tables that could not be compared: no open entry holds them, or the entry is damaged. */
  readonly uncompared: readonly string[];
}

const tablesSql = /* sql */ `
  select c.oid::bigint as oid, pg_catalog.format('%I.%I', n.nspname, c.relname) as name
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and not pg_catalog.starts_with(n.nspname::text, 'pg_')
    and c.oid not in (select pg_catalog.unnest($1::oid[]))
  order by n.nspname, c.relname`;

/**
 * Replays a file that `ddl` or `archive --export` wrote, and compares the tables that it creates with the open entries
 * of the archive.
 *
 * @throws UndropError `bad-options`, `name-taken`, `insufficient-privilege`, `restore-failed`, `restore-differs`
 */
export async function restoreDdl(session: Session, file: string, accept?: string): Promise<RestoredDdl> {
  const before = await session.read<{ oid: number }>(tablesSql, [[]]);
  const statements = await readScript(file, async (parts) => {
    let count = 0;
    for await (const part of parts) {
      count++;
      try {
        await runPart(session, part);
      } catch (error) {
        throw explain(error, file, `Statement ${count} in ${file}`, part.rows !== undefined);
      }
    }
    return count;
  });
  const made = await session.read<{ name: string }>(tablesSql, [before.map(({ oid }) => oid)]);
  const tables = made.map(({ name }) => name);
  return { file, statements, tables, ...(await settleMade(session, file, tables, accept)) };
}

async function runPart(session: Session, { sql, rows }: ScriptPart): Promise<void> {
  if (rows === undefined) return session.run(sql);
  // As in a rollback: subscribers still have the rows.
  await unpublished(session, [tableOf(sql)], () =>
    session.server.copyIn ? session.copyIn(sql, rows) : insertRows(session, sql, rows),
  );
}

// duplicate_table, duplicate_function, duplicate_schema, duplicate_column, duplicate_object
const taken = new Set(['42P07', '42723', '42P06', '42701', '42710']);

// For rows, the detail of the server's error is left out: it would hold the row.
function explain(error: unknown, file: string, which: string, isOfRows: boolean): UndropError {
  const reason = isOfRows && error instanceof Error ? error.message : serverWords(error);
  const state = sqlState(error) ?? '';
  if (taken.has(state)) {
    return new UndropError('name-taken', {
      subject: file,
      message: `${which} creates an object that already exists.`,
      reason,
      next: 'Nothing was changed. Rename or drop the existing object, then restore again.',
      cause: error,
    });
  }
  if (state === '42501') {
    return new UndropError('insufficient-privilege', {
      subject: file,
      message: `This role lacks a privilege for ${which.replace(/^S/, 's')}.`,
      reason,
      next: 'Nothing was changed. Restore as the role that dropped the tables, or as a superuser.',
      cause: error,
    });
  }
  return new UndropError('restore-failed', {
    subject: file,
    message: `${which} failed.`,
    reason,
    next: 'Nothing was changed. Remove the cause, then restore again.',
    cause: error,
  });
}
