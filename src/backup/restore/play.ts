import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { digestRows } from '../../archive/digest-rows.ts';
import type { KeptRows } from '../../archive/kept-rows.ts';
import type { Statement } from '../../capture/capture.ts';
import { unpublished } from '../../catalog/unpublished.ts';
import { replay } from '../../down/replay.ts';
import type { Session } from '../../session/session.ts';
import type { SourceTable } from './capture-source.ts';

/** Replays statements. At a statement of the kind `rows`, copies the rows of the table from the unpacked backup. */
export async function play(
  session: Session,
  statements: readonly Statement[],
  tables: readonly SourceTable[],
  from: Session,
): Promise<void> {
  for (const statement of statements) {
    const { kind, identity } = statement;
    // As in `replay`: subscribers still have the rows.
    if (kind === 'rows')
      await unpublished(session, [identity], () => copyRows(session, copySql(tables, identity), from));
    else await replay(session, [statement], 'restore-failed');
  }
}

async function copyRows(session: Session, copy: string, from: Session): Promise<void> {
  const rows = new PassThrough();
  const put = async (chunk: Buffer): Promise<void> => {
    if (!rows.write(chunk)) await once(rows, 'drain');
  };
  const read = from.copyOut(`${copy} to stdout`, put).then(() => rows.end());
  const written = session.copyIn(`${copy} from stdin`, rows);
  written.catch((error: Error) => rows.destroy(error));
  await Promise.all([written, read]);
}

/** Returns the beginning of a COPY command for a table. `sql` is its qualified and quoted name. */
export function copySql(tables: readonly SourceTable[], sql: string): string {
  const table = tables.find((candidate) => candidate.sql === sql);
  if (table === undefined) throw new Error(`${sql} is not in the backup`);
  // An empty column list is a syntax error.
  return `copy ${sql}${table.columns === '' ? '' : ` (${table.columns})`}`;
}

/** Digests the rows of the unpacked backup, to be compared with the restored rows. */
export async function digestAll(from: Session, tables: readonly SourceTable[]): Promise<KeptRows[]> {
  const kept: KeptRows[] = [];
  for (const { sql } of tables) kept.push({ table: sql, store: '', ...(await digestRows(from, sql)) });
  return kept;
}
