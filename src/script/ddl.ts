import { chooseEntry, type Wanted } from '../archive/choose-entry.ts';
import { loadCapture } from '../archive/entry.ts';
import { movedRows } from '../archive/moved-schemas.ts';
import { captureStatements, notReproducible, type Statement } from '../capture/capture.ts';
import { dependents, readClosure } from '../catalog/closure.ts';
import { UndropError } from '../errors.ts';
import { parseTableName } from '../options/table-name.ts';
import type { Session } from '../session/session.ts';
import { say } from '../text/log.ts';
import { printable } from '../text/printable.ts';
import { findTables } from '../up/find-tables.ts';

/** The statements that recreate tables, without their rows. */
export interface Ddl {
  /** The migration that dropped the tables; null for existing tables. */
  readonly migration: string | null;
  readonly tables: readonly string[];
  readonly statements: readonly Statement[];
  /** The tables whose rows the archive holds, or held until they were restored. */
  readonly withoutRows: readonly string[];
}

/**
 * The statements that `up` would capture for existing tables.
 *
 * @throws UndropError `bad-options`, `missing-table`, `not-a-table`, `extension-member`, `not-reproducible`
 */
export async function liveDdl(session: Session, names: readonly string[]): Promise<Ddl> {
  const wanted = names.map((name) => ({ ...parseTableName(name), reason: undefined }));
  const { tables, missing } = await findTables(session, wanted);
  if (missing.length > 0) {
    const absent = missing.map(({ written }) => written).join(', ');
    throw new UndropError('missing-table', {
      subject: absent,
      message: `${absent} ${missing.length === 1 ? 'does' : 'do'} not exist in ${session.database}.`,
      reason: `Searched in the schemas ${session.schemas.join(', ')}.`,
      next: 'Correct the names. To print what a migration has dropped, use --migration <name>.',
    });
  }
  const closure = await readClosure(session, [...new Set(tables.map(({ oid }) => oid))]);
  const { statements, obstacles } = await captureStatements(session, closure);
  if (obstacles.length > 0) throw notReproducible(obstacles);
  const others = dependents(closure).map(({ kind, identity }) => `${kind} ${identity}`);
  if (others.length > 0)
    say(printable(`The DDL includes dependent objects of other tables: ${others.join(', ')}`));
  return { migration: null, tables: tables.map(({ written }) => written), statements, withoutRows: [] };
}

/**
 * The archived statements of an entry: for a migration, of its open entry, or else of its latest.
 *
 * @throws UndropError `archive-missing`, `archive-damaged`; `bad-options` where several entries qualify
 */
export async function archivedDdl(session: Session, wanted: Omit<Wanted, 'table'>): Promise<Ddl> {
  const { entry } = await chooseEntry(session, wanted);
  const { statements, rows } = await loadCapture(session, entry);
  const withoutRows = [...rows, ...movedRows(statements, entry.moved)].map(({ table }) => table);
  if (withoutRows.length > 0) {
    say(printable(`The DDL does not include rows; the archive holds rows of ${withoutRows.join(', ')}`));
  }
  return {
    migration: entry.migration,
    tables: entry.tables.map(({ written }) => written),
    statements: statements.filter(({ kind }) => kind !== 'rows'),
    withoutRows,
  };
}
