import { UndropError } from '../errors.ts';
import { parseTableName, type TableName } from '../options/table-name.ts';
import type { Session } from '../session/session.ts';
import { lockIfPublished } from './change-archive.ts';
import { describeEntry, isLatest, type KeptEntry, readEntries } from './entries.ts';
import { type Entry, holdEntry } from './entry.ts';

/** What to restore: a whole entry, by its number or its migration, or one table. A table may be in several entries. */
export interface Wanted {
  readonly entry?: number | undefined;
  readonly migration?: string | undefined;
  readonly table?: string | undefined;
}

export interface Chosen<Of extends Entry = KeptEntry> {
  readonly entry: Of;
  /** The requested table, qualified and quoted. */
  readonly table: string | undefined;
}

/**
 * Finds the entry to restore: the open entry of the migration, or else its latest one; for a table, the open entry.
 *
 * @throws UndropError `archive-missing` where there is no such entry; `bad-options` where there are several
 */
export async function chooseEntry(session: Session, wanted: Wanted): Promise<Chosen> {
  const entries = await readEntries(session);
  const own = entries.filter((entry) => isNamed(entry, wanted));
  const isAny = wanted.entry === undefined && wanted.migration === undefined;
  if (wanted.table !== undefined && (isAny || own.length > 0)) return chooseTable(session, own, wanted.table);
  const open = own.filter(({ restoredAt }) => restoredAt === null);
  const [entry, ...others] = open.length > 0 ? open : own.filter((each) => isLatest(each, own));
  if (entry === undefined) throw unknownEntry(session, wanted, entries);
  if (others.length === 0) return { entry, table: undefined };
  throw new UndropError('bad-options', {
    subject: entry.migration,
    message: `The archive has several entries of ${entry.migration}.`,
    reason: [entry, ...others].map(describeEntry).join('\n'),
    next: 'Choose one with --entry.',
  });
}

/**
 * Like `chooseEntry`, and locks the entry until the transaction ends.
 *
 * @throws UndropError as `chooseEntry`
 */
export async function lockEntry(session: Session, wanted: Wanted): Promise<Chosen<Entry>> {
  await lockIfPublished(session);
  const { entry: chosen, table } = await chooseEntry(session, wanted);
  const entry = await holdEntry(session, chosen.id);
  const same = entry !== undefined && (entry.restoredAt === null) === (chosen.restoredAt === null);
  // Another session may have restored the entry while this one waited for the lock.
  return same ? { entry, table } : lockEntry(session, wanted);
}

function isNamed({ id, migration }: KeptEntry, wanted: Wanted): boolean {
  return (
    (wanted.entry === undefined || wanted.entry === id) &&
    (wanted.migration === undefined || wanted.migration === migration)
  );
}

async function chooseTable(
  session: Session,
  entries: readonly KeptEntry[],
  written: string,
): Promise<Chosen> {
  const wanted = parseTableName(written);
  const all = entries.flatMap((entry) =>
    entry.tables.filter(({ sql }) => isMeant(wanted, sql)).map(({ sql }) => ({ entry, table: sql })),
  );
  const open = all.filter(({ entry }) => entry.restoredAt === null);
  const [found, ...others] = open;
  if (found === undefined) throw await notOpen(session, written, entries, all.at(-1)?.entry);
  if (others.length === 0) return found;
  throw new UndropError('bad-options', {
    subject: written,
    message: `Several open entries hold ${written}.`,
    reason: open.map(({ entry, table }) => `${table} of ${entry.migration} (entry ${entry.id})`).join('\n'),
    next: 'Name the table with its schema, or choose an entry with --migration or --entry.',
  });
}

function isMeant({ schema, name }: TableName, sql: string): boolean {
  const table = parseTableName(sql);
  return table.name === name && (schema === undefined || table.schema === schema);
}

function unknownEntry(
  session: Session,
  { entry, migration }: Wanted,
  entries: readonly KeptEntry[],
): UndropError {
  const subject =
    entry === undefined
      ? (migration ?? '')
      : `entry ${entry}${migration === undefined ? '' : ` of ${migration}`}`;
  const known = entries.map((each) =>
    entry === undefined ? each.migration : `${each.id} (${each.migration})`,
  );
  return new UndropError('archive-missing', {
    subject,
    message: `The archive in ${session.database} has ${entry === undefined ? 'no entry for' : 'no'} ${subject}.`,
    reason: known.length === 0 ? 'The archive is empty.' : `It holds ${[...new Set(known)].join(', ')}.`,
    next: 'Correct --entry, --migration, or the connection.',
  });
}

async function notOpen(
  session: Session,
  table: string,
  entries: readonly KeptEntry[],
  last: KeptEntry | undefined,
): Promise<UndropError> {
  const open = entries.filter(({ restoredAt }) => restoredAt === null);
  const [reason, next] = last === undefined ? await unknown(session, table, open) : restored(last);
  return new UndropError('archive-missing', {
    subject: table,
    message: `${table} cannot be restored: no open entry of the archive in ${session.database} holds it.`,
    reason,
    next,
  });
}

function restored({ id, migration, restoredAt, restoredBy }: KeptEntry): [string, string] {
  return [
    `It was restored on ${restoredAt} by ${restoredBy} (entry ${id} of ${migration}).`,
    'If it was dropped afterwards by other means, restore it from a backup, or replay its DDL: undrop ddl --migration.',
  ];
}

const tablesSql = /* sql */ `
  select f.drop_id as id, f.identity from undrop.facts as f
  where f.drop_id = any ($1) and f.catalog = 'pg_class' and pg_catalog.starts_with(f.identity, 'table ')
  order by f.drop_id, f.identity`;

async function unknown(
  session: Session,
  table: string,
  open: readonly KeptEntry[],
): Promise<[string, string]> {
  const wanted = parseTableName(table);
  const ids = open.map(({ id }) => id);
  const tables =
    open.length === 0 ? [] : await session.read<{ id: number; identity: string }>(tablesSql, [ids]);
  const part = tables.find(({ identity }) => isMeant(wanted, identity.replace(/^table /, '')));
  const entry = open.find(({ id }) => id === part?.id);
  if (entry !== undefined) {
    return [
      `It was dropped as a dependent object of ${names(entry)} by ${entry.migration} (entry ${entry.id}).`,
      'Restore that table, or the whole entry with --migration.',
    ];
  }
  if (open.length === 0) return ['The archive has no open entry.', 'Correct the name, or the connection.'];
  return [
    `The archive has no entry for it. The open entries hold ${open.map(names).join(', ')}.`,
    'Correct the name, or the connection.',
  ];
}

function names({ tables }: KeptEntry): string {
  return tables.map(({ sql }) => sql).join(', ');
}
