import { createHash } from 'node:crypto';
import { access, type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Entry, loadCapture } from '../archive/entry.ts';
import { checkStores, type KeptRows } from '../archive/kept-rows.ts';
import { checkMoved } from '../archive/move-tables.ts';
import { movedRows } from '../archive/moved-schemas.ts';
import type { SchemaComment } from '../capture/schema-comment.ts';
import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { fileName, firstLine } from './ddl-file.ts';
import { copyStatement } from './insert-rows.ts';
import { findSeparator, scripted, scriptHead } from './script.ts';

/** To be raised when older versions can no longer read the file. */
const format = 2;

const intro = `-- Structure and rows. Protect this file like the database: it holds data. Runs in one transaction.
-- Run it with: psql -v ON_ERROR_STOP=1 -f <this file>
-- or: undrop restore --from-ddl <this file>
`;

export interface Exported {
  readonly file: string;
  readonly bytes: number;
  readonly rows: string;
}

/**
 * Writes an entry into a file that restores it without the archive. The folder is created where it does not exist;
 * other users of the machine cannot read either. Rows are streamed from the server to the file.
 *
 * @throws UndropError `archive-damaged`; `name-taken` where the file exists; `bad-options` where it cannot be written
 */
export async function exportEntry(session: Session, entry: Entry, folder: string): Promise<Exported> {
  const { statements, rows } = await loadCapture(session, entry);
  await checkStores(session, rows);
  await checkMoved(session, entry);
  const kept = new Map<string, Stored>(
    [...rows, ...movedRows(statements, entry.moved)].map((own) => [own.table, own]),
  );
  const parts: (string | Rows)[] = [];
  for (const { kind, identity, sql } of statements) {
    const own = kind === 'rows' ? kept.get(identity) : undefined;
    if (own === undefined) parts.push(scripted(sql));
    else parts.push({ ...own, columns: await readColumns(session, own.store) });
  }
  if (entry.schemaComment !== null) parts.push(scripted(await commentSql(session, entry.schemaComment)));
  const file = join(folder, fileName(`${entry.migration.slice(0, 100)}_${entry.id}`));
  let written = 0n;
  const bytes = await writeAside(folder, file, async (handle) => {
    written = await writeScript(session, entry, parts, handle);
  });
  return { file, bytes, rows: written.toString() };
}

/** The rows of a table in the archive. Those of moved tables were not counted. */
type Stored = Pick<KeptRows, 'table' | 'store'> & Partial<Pick<KeptRows, 'count'>>;

type Rows = Stored & { readonly columns: string | null };

const columnsSql = /* sql */ `
  select pg_catalog.string_agg(pg_catalog.quote_ident(a.attname), ', ' order by a.attnum) as columns
  from pg_catalog.pg_attribute as a
  where a.attrelid = pg_catalog.to_regclass($1) and a.attnum > 0 and not a.attisdropped
    and a.attgenerated = ''`;

/** The columns of a store that can be inserted; null where it has none. */
async function readColumns(session: Session, store: string): Promise<string | null> {
  const [row] = await session.read<{ columns: string | null }>(columnsSql, [store]);
  return row?.columns ?? null;
}

// As in a rollback: only where the comment was not changed since the drop.
const commentFormat = /* sql */ `
  select pg_catalog.format('do %L', pg_catalog.format(
    'begin if pg_catalog.obj_description(pg_catalog.to_regnamespace(%L), ''pg_namespace'') = %L then '
    'comment on schema %I is %L; end if; end', pg_catalog.quote_ident($1), $2::text, $1::text, $3::text)) as sql`;

async function commentSql(session: Session, { schema, before, after }: SchemaComment): Promise<string> {
  const [row] = await session.read<{ sql: string }>(commentFormat, [schema, after, before]);
  return row?.sql ?? '';
}

function copyOf({ table, columns }: Rows): string {
  return copyStatement(table, columns);
}

/** @returns the number of rows */
async function writeScript(
  session: Session,
  entry: Entry,
  parts: readonly (string | Rows)[],
  handle: FileHandle,
): Promise<bigint> {
  let written = 0n;
  const separator = findSeparator(parts.map((part) => (typeof part === 'string' ? part : copyOf(part))));
  const hash = createHash('sha256');
  const put = async (data: string | Buffer) => {
    const bytes = Buffer.from(data as string);
    hash.update(bytes);
    // Not `write`, which may write only a part.
    await handle.writeFile(bytes);
  };
  // A placeholder of the same length, with a wrong checksum until the file is complete.
  const placeholder = firstLine(format, separator, '0'.repeat(64));
  await handle.writeFile(placeholder);
  await put(scriptHead(intro));
  for (const part of parts) {
    if (typeof part === 'string') {
      await put(`\n${separator}\n${part}`);
      continue;
    }
    const copy = copyOf(part);
    const lines = copy.split('\n').length;
    await put(`\n${separator} copy ${lines}\n${copy}\n`);
    const from = part.columns === null ? part.store : `${part.store} (${part.columns})`;
    const count = await session.copyOut(`copy ${from} to stdout`, put);
    if (part.count !== undefined && String(count) !== part.count) throw countDiffers(entry, part, count);
    written += BigInt(count);
    await put('\\.');
  }
  await put(`\n${separator}\ncommit;\n`);
  await handle.write(firstLine(format, separator, hash.digest('hex')), 0);
  return written;
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
  const exists = await access(file).then(
    () => true,
    () => false,
  );
  if (!exists) return;
  throw new UndropError('name-taken', {
    subject: file,
    message: `${file} already exists.`,
    reason: 'It may be the only copy of its contents.',
    next: 'Choose another folder, or move the file.',
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
    next: 'Choose another folder, correct its permissions, or free disk space.',
    cause: error,
  });
}

function countDiffers({ migration }: Entry, { table, store, count }: Rows, found: number): UndropError {
  return new UndropError('archive-damaged', {
    subject: table,
    message: `The archived rows of ${table} differ from those that ${migration} dropped.`,
    reason: `${store} holds ${found} rows; ${count} were copied.`,
    next: 'Restore the table from a backup.',
  });
}
