import { chooseEntry, type Wanted } from '../archive/choose-entry.ts';
import { loadCapture } from '../archive/entry.ts';
import { captureStatements, notReproducible, type Statement } from '../capture/capture.ts';
import { dependents, readClosure } from '../catalog/closure.ts';
import { UndropError } from '../errors.ts';
import { parseTableName } from '../options/table-name.ts';
import type { Session } from '../session/session.ts';
import { say } from '../text/log.ts';
import { printable } from '../text/printable.ts';
import { findTables } from '../up/find-tables.ts';

/** The statements that bring tables back, without their rows. */
export interface Ddl {
  /** Where it is from the archive. */
  readonly migration: string | null;
  readonly tables: readonly string[];
  readonly statements: readonly Statement[];
  /** The tables whose rows the archive keeps, or kept until they were restored. */
  readonly withoutRows: readonly string[];
}

/**
 * What `up` would capture of tables as they are.
 *
 * @throws UndropError `bad-options`, `missing-table`, `not-a-table`, `extension-member`, `not-reproducible`
 */
export async function liveDdl(session: Session, names: readonly string[]): Promise<Ddl> {
  const wanted = names.map((name) => ({ ...parseTableName(name), reason: undefined }));
  const { tables, missing } = await findTables(session, wanted);
  if (missing.length > 0) {
    const gone = missing.map(({ written }) => written).join(', ');
    throw new UndropError('missing-table', {
      subject: gone,
      message: `${gone} ${missing.length === 1 ? 'does' : 'do'} not exist in ${session.database}.`,
      reason: `Looked for in the schemas ${session.schemas.join(', ')}.`,
      next: 'Correct the names; what a migration has dropped is printed with --migration <name>.',
    });
  }
  const closure = await readClosure(session, [...new Set(tables.map(({ oid }) => oid))]);
  const { statements, obstacles } = await captureStatements(session, closure);
  if (obstacles.length > 0) throw notReproducible(obstacles);
  const others = dependents(closure).map(({ kind, identity }) => `${kind} ${identity}`);
  if (others.length > 0)
    say(printable(`Of other tables, what would go along is in it too: ${others.join(', ')}`));
  return { migration: null, tables: tables.map(({ written }) => written), statements, withoutRows: [] };
}

/**
 * What the archive keeps of a drop: of a migration its open entry, or else the latest.
 *
 * @throws UndropError `archive-missing`, `archive-damaged`; `bad-options` where several drops have the name
 */
export async function archivedDdl(session: Session, wanted: Omit<Wanted, 'table'>): Promise<Ddl> {
  const { entry } = await chooseEntry(session, wanted);
  const { statements, rows } = await loadCapture(session, entry);
  const withoutRows = rows.map(({ table }) => table);
  if (rows.length > 0) {
    say(printable(`The rows are not in it; what the archive kept is of ${withoutRows.join(', ')}`));
  }
  return {
    migration: entry.migration,
    tables: entry.tables.map(({ written }) => written),
    statements: statements.filter(({ kind }) => kind !== 'rows'),
    withoutRows,
  };
}
