import { UndropError } from '../../errors.ts';
import { quoteName } from '../../options/table-name.ts';
import { commandLine } from '../../text/command-line.ts';
import { readDump } from '../contents/dump-reader.ts';
import {
  countInserted,
  type ExpectedTable,
  readTableStatement,
  type TableName,
  tableKey,
} from '../contents/dump-statements.ts';
import { type Packing, readDumpText } from '../contents/dump-text.ts';
import { objectKey, readObjectStatement } from '../contents/object-statements.ts';
import { countGroups } from '../count-groups.ts';
import type { LaterObject } from '../later-objects.ts';
import type { PgDump } from '../programs/find-pg-dump.ts';
import { shorten } from '../shorten.ts';

/** The contents that a backup must have. */
export interface Expected {
  readonly tables: readonly ExpectedTable[];
  readonly objects?: readonly LaterObject[];
}

/**
 * Reads a whole backup and checks that it is complete, creates the expected tables and objects, and has the expected number
 * of rows for each table. pg_restore reads custom and directory backups. Nothing is written.
 *
 * @param pgDump the program that wrote the backup, since pg_restore must not be older; default: the first one found
 * @throws UndropError `backup-unproved`, with all tables that are missing or differ, and the missing objects; `backup-failed` if there is no
 * pg_restore
 */
export async function proveContents(
  file: string,
  packing: Packing,
  expected: Expected,
  pgDump?: PgDump,
): Promise<void> {
  const contents = await readContents(file, packing, expected.tables, pgDump);
  if (!contents.complete)
    throw unproved(file, 'The file is incomplete: the last line of pg_dump is missing.');
  const reasons = [
    ...describeMissing(expected.tables, contents),
    ...describeCounts(expected.tables, contents),
    ...describeObjects(expected.objects ?? [], contents),
  ];
  if (reasons.length > 0) throw unproved(file, reasons.join('\n'));
}

const newline = 10;

interface Contents {
  /** The keys of the tables that it creates, and the number of rows by key. See `tableKey`. */
  readonly created: ReadonlySet<string>;
  readonly rows: ReadonlyMap<string, number>;
  /** The number of statements that create an object, by its key. See `objectKey`. */
  readonly objects: ReadonlyMap<string, number>;
  readonly complete: boolean;
}

async function readContents(
  file: string,
  packing: Packing,
  expectedTables: readonly ExpectedTable[],
  pgDump: PgDump | undefined,
): Promise<Contents> {
  try {
    const shares = await readDumpText(file, packing, readShare, expectedTables, pgDump);
    return {
      created: new Set(shares.flatMap(({ created }) => [...created])),
      rows: sum(shares.map(({ rows }) => rows)),
      objects: sum(shares.map(({ objects }) => objects)),
      complete: shares.every(({ complete }) => complete),
    };
  } catch (error) {
    throw error instanceof UndropError ? error : unproved(file, (error as Error).message);
  }
}

async function readShare(text: AsyncIterable<Buffer>): Promise<Contents> {
  const created = new Set<string>();
  const rows = new Map<string, number>();
  const objects = new Map<string, number>();
  let complete = false;
  let filled = '';
  for await (const piece of readDump(text)) {
    if (piece.kind === 'rows') {
      addTo(rows, filled, countLines(piece.data));
    } else if (piece.kind === 'complete') {
      complete = true;
    } else if (piece.kind !== 'end of rows') {
      const found = readTableStatement(piece.text);
      if (found === undefined) {
        const object = readObjectStatement(piece.text);
        if (object !== undefined) addTo(objects, objectKey(object), 1);
        continue;
      }
      filled = tableKey(found);
      if (found.does === 'create') created.add(filled);
      if (found.does === 'insert' && piece.kind === 'statement')
        addTo(rows, filled, countInserted(found, piece.groups));
    }
  }
  return { created, rows, objects, complete };
}

function sum(shares: readonly ReadonlyMap<string, number>[]): Map<string, number> {
  const total = new Map<string, number>();
  for (const [key, count] of shares.flatMap((share) => [...share])) addTo(total, key, count);
  return total;
}

function addTo(counts: Map<string, number>, key: string, count: number): void {
  counts.set(key, (counts.get(key) ?? 0) + count);
}

function countLines(data: Buffer): number {
  let count = 0;
  for (let at = data.indexOf(newline); at >= 0; at = data.indexOf(newline, at + 1)) count += 1;
  return count;
}

function describeMissing(expected: readonly ExpectedTable[], { created }: Contents): string[] {
  const names = expected.filter((table) => !created.has(tableKey(table))).map(sqlOf);
  return names.length === 0 ? [] : [`It does not create ${names.join(', ')}.`];
}

function describeCounts(expected: readonly ExpectedTable[], { created, rows }: Contents): string[] {
  return countGroups(expected).flatMap((group) => {
    const [table] = group;
    const isMissing = group.some((each) => !created.has(tableKey(each)));
    if (table === undefined || isMissing || group.some((each) => each.rows === undefined)) return [];
    const found = group.reduce((total, each) => total + (rows.get(tableKey(each)) ?? 0), 0);
    const wanted = group.reduce((total, each) => total + (each.rows ?? 0), 0);
    if (found === wanted) return [];
    const partitions = group.length === 1 ? '' : ' and its partitions';
    return [`It has ${found} rows of ${sqlOf(table)}${partitions}; the table had ${wanted}.`];
  });
}

function describeObjects(expected: readonly LaterObject[], { objects }: Contents): string[] {
  const wanted = new Map<string, number>();
  for (const object of expected) addTo(wanted, objectKey(object), 1);
  const lacking = [...wanted]
    .map(([key, count]) => ({ key, lacks: count - (objects.get(key) ?? 0) }))
    .filter(({ lacks }) => lacks > 0);
  return shorten(
    lacking.map(({ key, lacks }) => {
      const [kind, name] = JSON.parse(key) as [string, string];
      const times = lacks === 1 ? '' : ` (${lacks})`;
      return `It does not create ${name === '' ? kind : `${kind} ${quoteName(name)}`}${times}.`;
    }),
  );
}

function sqlOf({ schema, name }: TableName): string {
  return `${quoteName(schema)}.${quoteName(name)}`;
}

function unproved(file: string, reason: string): UndropError {
  return new UndropError('backup-unproved', {
    subject: file,
    message: `The backup ${file} failed the proof of its contents.`,
    reason,
    next: `Take another backup with ${commandLine('backup')}, and keep this one until the new one is proved.`,
  });
}
