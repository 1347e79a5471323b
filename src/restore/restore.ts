import { verifyRestored } from '../archive/already-done.ts';
import { chooseEntry, lockEntry, type Wanted } from '../archive/choose-entry.ts';
import { readComment, schemaCommentSql } from '../capture/schema-comment.ts';
import { readReplay, restoreEntry } from '../down/restore-entry.ts';
import { parseOptions } from '../options/options.ts';
import type { Session } from '../session/session.ts';
import { type Rest, splitEntry } from './restore-one-table.ts';

export interface RestoredArchive {
  readonly migration: string;
  readonly entry: number;
  /** Qualified and quoted; empty where the entry was restored before. */
  readonly tables: readonly string[];
  /** What stays dropped, where one table of several was restored. */
  readonly rest: Rest | null;
}

/**
 * Restores an entry of the archive, or one table of it, without Knex. The migrations table is not changed; a later
 * rollback restores what is still dropped.
 *
 * @param accept the digest of differences that are accepted; default: none
 * @throws UndropError `bad-options`, `archive-missing`; what `down` throws
 */
export async function restoreArchive(
  session: Session,
  wanted: Wanted,
  accept?: string,
): Promise<RestoredArchive> {
  const { entry, table } = await lockEntry(session, wanted);
  const about = { migration: entry.migration, entry: entry.id };
  if (entry.restoredAt !== null) {
    await verifyRestored(session, entry);
    return { ...about, tables: [], rest: null };
  }
  if (table !== undefined) {
    return { ...about, tables: [table], rest: await splitEntry(session, entry, table, accept) };
  }
  const tables = entry.tables.map(({ sql }) => sql);
  const options = parseOptions({ name: entry.migration, tables }, { UNDROP_ACCEPT_DIFFERENCES: accept });
  await restoreEntry(session, entry, options, 'restore');
  return { ...about, tables, rest: null };
}

export interface RestorePlan {
  readonly migration: string;
  readonly entry: number;
  readonly statements: readonly string[];
}

/**
 * The statements that `restoreArchive` would run. Changes nothing.
 *
 * @throws UndropError `bad-options`, `archive-missing`, `archive-damaged`, `name-taken`, `prerequisite-gone`
 */
export async function planRestore(session: Session, wanted: Wanted): Promise<RestorePlan> {
  const { entry, table } = await chooseEntry(session, wanted);
  const about = { migration: entry.migration, entry: entry.id };
  if (entry.restoredAt !== null) {
    await verifyRestored(session, entry);
    return { ...about, statements: [] };
  }
  const statements = (await readReplay(session, entry)).statements.map(({ sql }) => sql);
  const others = table === undefined ? [] : entry.tables.filter(({ sql }) => sql !== table);
  if (others.length > 0) {
    // CASCADE removes what the table has that depends on the others.
    const dropOthers = `drop table ${others.map(({ sql }) => sql).join(', ')} cascade`;
    return { ...about, statements: [...statements, dropOthers] };
  }
  const { schemaComment } = entry;
  if (schemaComment === null || (await readComment(session, schemaComment.schema)) !== schemaComment.after) {
    return { ...about, statements };
  }
  const comment = await schemaCommentSql(session, schemaComment.schema, schemaComment.before);
  return { ...about, statements: [...statements, comment] };
}
