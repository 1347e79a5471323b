import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { UndropError } from '../../errors.ts';
import { type DumpPiece, readDump } from '../contents/dump-reader.ts';

/**
 * Runs the SQL of a plain dump, without psql: that would run commands for it too, programs of this machine included,
 * and a dump that holds any is refused.
 *
 * @throws UndropError `backup-unproved` naming what the server refused, and where the dump is not whole
 */
export async function replayPlain(client: Client, input: AsyncIterable<Buffer>): Promise<void> {
  const pieces = readDump(input);
  let complete = false;
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
    const piece = next.value;
    if (piece.kind === 'complete') complete = true;
    if (piece.kind !== 'statement' && piece.kind !== 'copy') continue;
    const sql = textOf(piece.text);
    await (piece.kind === 'copy'
      ? pipeline(Readable.from(rowsOf(pieces)), client.query(copyFrom(sql)))
      : client.query(sql)
    ).catch((error: Error) => {
      throw error instanceof UndropError ? error : refused(sql, error);
    });
  }
  if (!complete)
    throw refused('', new Error('It ends in the middle: the last line of pg_dump is not there.'));
}

async function* rowsOf(pieces: AsyncGenerator<DumpPiece>): AsyncGenerator<Buffer> {
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
    if (next.value.kind === 'end of rows') return;
    if (next.value.kind === 'rows') yield next.value.data;
  }
  throw new Error('It ends in the middle of rows.');
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The driver sends UTF-8 and nothing else. */
function textOf(text: Buffer): string {
  const sql = decode(text);
  const [, encoding = 'UTF8'] = /^SET client_encoding = '(.*)'$/.exec(sql) ?? [];
  if (['UTF8', 'SQL_ASCII'].includes(encoding)) return sql;
  throw notUtf8(`It is written in ${encoding}.`);
}

function decode(text: Buffer): string {
  try {
    return decoder.decode(text);
  } catch {
    throw notUtf8(`A statement holds characters that are not UTF-8: ${text.toString('latin1', 0, 100)}`);
  }
}

function notUtf8(reason: string): UndropError {
  return new UndropError('backup-unproved', {
    subject: 'client_encoding',
    message: 'The SQL of the backup is not UTF-8.',
    reason,
    next: 'Take it in the format custom, which pg_restore reads; this one psql can restore, where it can be trusted.',
  });
}

function refused(sql: string, cause: Error): UndropError {
  return new UndropError('backup-unproved', {
    subject: sql.split('\n')[0]?.slice(0, 100) ?? '',
    message: sql === '' ? 'The backup is not whole.' : 'The server refused a statement of the backup.',
    reason: cause.message,
    next: 'Where what it names lies in the place that it is restored to, mend that; else take another backup.',
    cause,
  });
}
