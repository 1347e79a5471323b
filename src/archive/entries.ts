import type { Session } from '../session/session.ts';
import { countOf, list, moment, size } from '../text/units.ts';
import { type Acceptance, describeAcceptance, readAcceptances } from './acceptances.ts';
import { type Entry, fifthSql } from './entry.ts';
import { movedBytesSql } from './moved-schemas.ts';
import { hasArchive } from './schema.ts';

/** An entry with the details that are shown to users. Times are ISO 8601. */
export interface KeptEntry extends Entry {
  readonly droppedBy: string;
  readonly restoredBy: string | null;
  readonly fingerprint: string;
  /** The position of the drop in the write-ahead log, and the restore point that was created before it. */
  readonly lsn: string | null;
  readonly restorePoint: string | null;
  /** The entry that holds the other tables, where one table was restored alone. */
  readonly splitInto: number | null;
  /** Until when the entry is to be kept, by the option `keepFor`. Nothing removes it by itself. */
  readonly keepUntil: string | null;
  /** Differences that were accepted, in `up` or in the restore. */
  readonly accepted: readonly Acceptance[];
  /** How many tables of a split entry are restored, and which differences were accepted. */
  readonly note: string | null;
}

const entriesSql = /* sql */ `
  select d.id, d.migration, d.tables, d.dropped_at as "droppedAt", d.dropped_by as "droppedBy",
    d.server_version as "serverVersion", d.fingerprint, d.prerequisites, d.hosts as survivors,
    d.host_changes as "survivorChanges", d.schema_comment as "schemaComment",
    d.restored_at as "restoredAt", d.restored_by as "restoredBy",
    -- since the second format
    pg_catalog.to_jsonb(d) ->> 'lsn' as lsn, pg_catalog.to_jsonb(d) ->> 'restore_point' as "restorePoint",
    (pg_catalog.to_jsonb(d) ->> 'split_into')::bigint as "splitInto",
    -- since the fourth format
    pg_catalog.to_jsonb(d) ->> 'ledger' as ledger,
    ${fifthSql}, pg_catalog.to_jsonb(d) ->> 'keep_until' as "keepUntil",
    (pg_catalog.to_jsonb(d) ->> 'keep_until')::timestamptz < pg_catalog.now() as overdue,
    ${movedBytesSql('d')}::text as "movedBytes"
  from undrop.drops as d
  order by d.dropped_at, d.id`;

/** All entries of the archive, oldest drop first, not locked. Empty where there is no archive. */
export async function readEntries(session: Session): Promise<KeptEntry[]> {
  if (!(await hasArchive(session))) return [];
  const found = await session.read<Omit<KeptEntry, 'accepted' | 'note'> & Retention>(entriesSql);
  const acceptances = await readAcceptances(session);
  return found.map(({ overdue, movedBytes, ...entry }) => {
    const accepted = acceptances.filter((acceptance) => acceptance.entry === entry.id);
    const notes = [
      describeSplit(entry, found),
      ...describeRetention(entry, { overdue, movedBytes }),
      ...accepted.map(describeAcceptance),
    ];
    return { ...entry, accepted, note: notes.filter((note) => note !== null).join('; ') || null };
  });
}

interface Retention {
  /** Whether it was to be kept until a time that has passed. */
  readonly overdue: boolean | null;
  readonly movedBytes: string;
}

function describeRetention(
  {
    moved,
    restoredAt,
    keepUntil,
    givenUp,
  }: Pick<KeptEntry, 'moved' | 'restoredAt' | 'keepUntil' | 'givenUp'>,
  { overdue, movedBytes }: Retention,
): string[] {
  if (givenUp !== null) return [`given up on ${moment(givenUp.at)} by ${givenUp.by}: its rows are gone`];
  if (restoredAt !== null) return [];
  const stores = moved.map(({ store }) => store);
  return [
    ...(stores.length === 0 ? [] : [`moved to ${list(stores)}, ${size(movedBytes)} now`]),
    ...(overdue === true && keepUntil !== null
      ? [`was to be kept until ${moment(keepUntil)}, which has passed`]
      : []),
  ];
}

/** Whether no later entry of the same migration holds any of the same tables. */
export function isLatest(entry: KeptEntry, entries: readonly KeptEntry[]): boolean {
  const tables = new Set(entry.tables.map(({ sql }) => sql));
  return !entries.some(
    (other) =>
      other.id > entry.id &&
      other.migration === entry.migration &&
      other.tables.some(({ sql }) => tables.has(sql)),
  );
}

/**
 * One line about an entry, for messages: its number, its tables, and the migrations table that recorded the migration.
 */
export function describeEntry({
  id,
  ledger,
  tables,
  droppedAt,
}: Pick<KeptEntry, 'id' | 'ledger' | 'tables' | 'droppedAt'>): string {
  const names = tables.map(({ sql }) => sql).join(', ');
  return `entry ${id}: ${names}, dropped on ${droppedAt}${ledger === null ? '' : `, recorded in ${ledger}`}`;
}

type Split = Pick<KeptEntry, 'id' | 'tables' | 'restoredAt' | 'splitInto'>;

/** The progress of an entry whose tables are restored one by one. */
function describeSplit(entry: Split, entries: readonly Split[]): string | null {
  const rest = entries.find(({ id }) => id === entry.splitInto);
  if (rest !== undefined) {
    const restored = entry.tables.length - rest.tables.length;
    return `${restored} of ${countOf(entry.tables.length, 'table')} restored, the others are in entry ${rest.id}`;
  }
  const before = entries.find(({ splitInto }) => splitInto === entry.id);
  if (before === undefined || entry.restoredAt !== null) return null;
  const all = countOf(firstOf(before, entries).tables.length, 'table');
  const restored = firstOf(before, entries).tables.length - entry.tables.length;
  return `${restored} of ${all} restored, the last on ${before.restoredAt}; ${entry.tables.length} still dropped`;
}

function firstOf(entry: Split, entries: readonly Split[]): Split {
  const before = entries.find(({ splitInto }) => splitInto === entry.id);
  return before === undefined ? entry : firstOf(before, entries);
}
