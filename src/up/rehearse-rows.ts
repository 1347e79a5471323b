import { compareRows } from '../archive/kept-rows.ts';
import { moveAway } from '../archive/move-tables.ts';
import { acceptDifferences } from '../capture/accept-differences.ts';
import { replay } from '../down/replay.ts';
import { isUndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import type { Archived } from './archive-closure.ts';
import { refuseBrokenKeys } from './broken-keys.ts';
import { hasPartsOfKeys } from './unvalidated.ts';

/**
 * Restores copied rows before the drop, with the indexes, keys and checks of their tables, while the original tables are
 * in other schemas; then rolls back. It takes long, and locks no survivor.
 *
 * @returns the capture that is left to rehearse after the drop, without rows and without validation of foreign keys, which
 * have been checked. It still has the rows if they cannot be restored without the other objects, or if this role may not
 * create a schema
 * @throws UndropError `not-reproducible` where a statement fails, or rows violate a foreign key; `rehearsal-differs` where
 * rows differ
 */
export async function rehearseRows(
  session: Session,
  { closure, capture }: Pick<Archived, 'closure' | 'capture'>,
): Promise<Archived['capture']> {
  const { rowStatements, rows, places, statements } = capture;
  if (rowStatements === undefined || hasPartsOfKeys(capture.facts.own)) return capture;
  const work = () =>
    session.rehearse(async () => {
      await moveAway(session, places);
      await replay(session, rowStatements, 'not-reproducible');
      acceptDifferences(await compareRows(session, rows), [], {
        code: 'rehearsal-differs',
        message: 'The restore would not recreate the rows as they were.',
        next: 'Nothing was changed. Remove these tables from the migration, or report the difference.',
        rows: 'refuse',
      });
      return true;
    });
  const isDone = await session.attempt(work).catch((error: unknown) => {
    if (isUndropError(error) && error.code === 'insufficient-privilege') return false;
    throw error;
  });
  if (!isDone) return capture;
  await refuseBrokenKeys(session, closure);
  return {
    ...capture,
    rows: [],
    rowsRehearsed: true,
    statements: statements.filter(({ kind }) => kind !== 'rows'),
  };
}
