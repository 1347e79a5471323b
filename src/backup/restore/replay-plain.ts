import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { UndropError } from '../../errors.ts';
import { type DumpPiece, readDump } from '../contents/dump-reader.ts';

/**
 * Runs the SQL of a plain dump without psql, since a psql meta-command can run any program on this host. A dump with such
 * a command is refused.
 *
 * @throws UndropError `backup-unproved` if the server rejects a statement or the dump is incomplete
 */
export async function replayPlain(client: Client, input: AsyncIterable<Buffer>): Promise<void> {
  const pieces = readDump(input);
  let complete = false;
  let encoding = 'UTF8';
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
    const piece = next.value;
    if (piece.kind === 'complete') complete = true;
    if (piece.kind !== 'statement' && piece.kind !== 'copy') continue;
    const sql = textOf(piece, encoding);
    encoding = encodingIn(sql) ?? encoding;
    await (piece.kind === 'copy'
      ? pipeline(Readable.from(rowsOf(pieces)), client.query(copyFrom(sql)))
      : client.query(sql)
    ).catch((error: Error) => {
      throw error instanceof UndropError ? error : rejected(sql, error);
    });
  }
  if (!complete)
    throw rejected('', new Error('The file is incomplete: the last line of pg_dump is missing.'));
}

async function* rowsOf(pieces: AsyncGenerator<DumpPiece>): AsyncGenerator<Buffer> {
  for (let next = await pieces.next(); !next.done; next = await pieces.next()) {
    if (next.value.kind === 'end of rows') return;
    if (next.value.kind === 'rows') yield next.value.data;
  }
  throw new Error('The file ends in the middle of the rows of a table.');
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Decodes a statement. The driver supports only UTF-8 as client encoding. A statement of an SQL_ASCII database may have any
 * bytes, which are sent as hexadecimal digits.
 */
function textOf({ kind, text }: { kind: 'statement' | 'copy'; text: Buffer }, encoding: string): string {
  const sql = decode(text);
  if (sql === undefined && kind === 'statement' && encoding === 'SQL_ASCII') {
    const bytes = `'\\x${text.toString('hex')}'`;
    return `do $undrop$ begin execute pg_catalog.convert_from(${bytes}, 'SQL_ASCII'); end $undrop$`;
  }
  if (sql === undefined) {
    throw notUtf8(`A statement has bytes that are not valid UTF-8: ${text.toString('latin1', 0, 100)}`);
  }
  return sql;
}

/** Returns the encoding that a statement sets, or undefined. */
function encodingIn(sql: string): string | undefined {
  const [, encoding] = /^SET client_encoding = '(.*)'$/.exec(sql) ?? [];
  if (encoding === undefined || ['UTF8', 'SQL_ASCII'].includes(encoding)) return encoding;
  throw notUtf8(`Its client_encoding is ${encoding}.`);
}

function decode(text: Buffer): string | undefined {
  try {
    return decoder.decode(text);
  } catch {
    return undefined;
  }
}

function notUtf8(reason: string): UndropError {
  return new UndropError('backup-unproved', {
    subject: 'client_encoding',
    message: 'The SQL of the backup is not in UTF-8.',
    reason,
    next: 'Take a backup in the format custom, which pg_restore reads. If you trust this file, you can restore it with psql.',
  });
}

function rejected(sql: string, cause: Error): UndropError {
  return new UndropError('backup-unproved', {
    subject: sql.split('\n')[0]?.slice(0, 100) ?? '',
    message: sql === '' ? 'The backup is incomplete.' : 'The server rejected a statement of the backup.',
    reason: cause.message,
    next: 'If the cause is the server that the backup is restored on, fix it there. Otherwise take another backup.',
    cause,
  });
}
