import { createHash } from 'node:crypto';
import { access, type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Entry, loadCapture } from '../archive/entry.ts';
import { checkStores, type KeptRows } from '../archive/kept-rows.ts';
import type { SchemaComment } from '../capture/schema-comment.ts';
import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { fileName, firstLine } from './ddl-file.ts';
import { copyStatement } from './insert-rows.ts';
import { findSeparator, scripted, scriptHead } from './script.ts';

/** Raised when older programs can no longer read such a file. */
const format = 2;

const words = `-- Structure and rows. It holds data: keep it as the database is kept. One transaction: all of it or nothing.
-- Run it with: psql -v ON_ERROR_STOP=1 -f <this file>
-- or: undrop restore --from-ddl <this file>
`;

export interface Exported {
  readonly file: string;
  readonly bytes: number;
  readonly rows: string;
}

/**
 * Writes all that it takes to bring an open entry back without the archive into a file of the folder, which is made
 * where it is missing; both are closed to others. Rows go from the server to the file without being held.
 *
 * @throws UndropError `archive-damaged`; `name-taken` where the file is there; `bad-options` where it cannot be written
 */
export async function exportEntry(session: Session, entry: Entry, folder: string): Promise<Exported> {
  const { statements, rows } = await loadCapture(session, entry);
  await checkStores(session, rows);
  const kept = new Map(rows.map((one) => [one.table, one]));
  const parts: (string | Rows)[] = [];
  for (const { kind, identity, sql } of statements) {
    const own = kind === 'rows' ? kept.get(identity) : undefined;
    if (own === undefined) parts.push(scripted(sql));
    else parts.push({ ...own, copy: copyStatement(own.table, await readColumns(session, own.store)) });
  }
  if (entry.schemaComment !== null) parts.push(scripted(await commentSql(session, entry.schemaComment)));
  const file = join(folder, fileName(`${entry.migration.slice(0, 100)}_${entry.id}`));
  const bytes = await writeAside(folder, file, (handle) => writeScript(session, entry, parts, handle));
  return { file, bytes, rows: rows.reduce((sum, { count }) => sum + BigInt(count), 0n).toString() };
}

interface Rows extends KeptRows {
  readonly copy: string;
}

const columnsSql = /* sql */ `
  select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by a.attnum) as columns
  from pg_catalog.pg_attribute as a
  where a.attrelid = pg_catalog.to_regclass($1) and a.attnum > 0 and not a.attisdropped`;

/** A store has the columns that are to be given, under their names. */
async function readColumns(session: Session, store: string): Promise<string | null> {
  const [row] = await session.read<{ columns: string | null }>(columnsSql, [store]);
  return row?.columns ?? null;
}

// As a rollback does it: only where nobody has changed the comment since.
const commentFormat = /* sql */ `
  select pg_catalog.format('do %L', pg_catalog.format(
    'begin if pg_catalog.obj_description(pg_catalog.to_regnamespace(%L), ''pg_namespace'') = %L then '
    'comment on schema %I is %L; end if; end', pg_catalog.quote_ident($1), $2::text, $1::text, $3::text)) as sql`;

async function commentSql(session: Session, { schema, before, after }: SchemaComment): Promise<string> {
  const [row] = await session.read<{ sql: string }>(commentFormat, [schema, after, before]);
  return row?.sql ?? '';
}

async function writeScript(
  session: Session,
  entry: Entry,
  parts: readonly (string | Rows)[],
  handle: FileHandle,
): Promise<void> {
  const separator = findSeparator(parts.map((part) => (typeof part === 'string' ? part : part.copy)));
  const hash = createHash('sha256');
  const put = async (data: string | Buffer) => {
    const bytes = Buffer.from(data as string);
    hash.update(bytes);
    // One write may take a part only.
    await handle.writeFile(bytes);
  };
  // As long as it will be, and no script until it is.
  const unknown = firstLine(format, separator, '0'.repeat(64));
  await handle.writeFile(unknown);
  await put(scriptHead(words));
  for (const part of parts) {
    if (typeof part === 'string') {
      await put(`\n${separator}\n${part}`);
      continue;
    }
    const lines = part.copy.split('\n').length;
    await put(`\n${separator} copy ${lines}\n${part.copy}\n`);
    const count = await session.copyOut(`copy ${part.store} to stdout`, put);
    if (String(count) !== part.count) throw notWhatWasKept(entry, part, count);
    await put('\\.');
  }
  await put(`\n${separator}\ncommit;\n`);
  await handle.write(firstLine(format, separator, hash.digest('hex')), 0);
}

async function writeAside(
  folder: string,
  file: string,
  write: (handle: FileHandle) => Promise<void>,
): Promise<number> {
  const partial = `${file}.${process.pid}.partial`;
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await refuseTaken(file);
    const handle = await open(partial, 'wx', 0o600);
    try {
      await write(handle);
      await handle.sync();
      const { size } = await handle.stat();
      await rename(partial, file);
      return size;
    } finally {
      await handle.close();
      await rm(partial, { force: true });
    }
  } catch (error) {
    throw isSystemError(error) ? cannotWrite(file, error) : error;
  }
}

async function refuseTaken(file: string): Promise<void> {
  const there = await access(file).then(
    () => true,
    () => false,
  );
  if (!there) return;
  throw new UndropError('name-taken', {
    subject: file,
    message: `${file} is there already.`,
    reason: 'It may be the only copy of what it holds.',
    next: 'Choose another folder, or move it away.',
  });
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

function cannotWrite(file: string, error: Error): UndropError {
  return new UndropError('bad-options', {
    subject: file,
    message: `${file} cannot be written.`,
    reason: error.message,
    next: 'Choose another folder, or correct the rights on it, or make room.',
    cause: error,
  });
}

function notWhatWasKept({ migration }: Entry, { table, store, count }: Rows, found: number): UndropError {
  return new UndropError('archive-damaged', {
    subject: table,
    message: `What the archive keeps of the rows of ${table} is not what ${migration} dropped.`,
    reason: `${store} holds ${found} rows; ${count} were kept.`,
    next: 'Restore the table from a backup.',
  });
}
