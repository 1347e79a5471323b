import { UndropError } from '../errors.ts';
import { readRecorded } from '../knex/find-ledgers.ts';
import { withoutExtension } from '../options/migration-name.ts';
import type { Session } from '../session/session.ts';
import { changeArchive, lockIfPublished } from './change-archive.ts';
import { isLatest, type KeptEntry, readEntries } from './entries.ts';
import { dropStores } from './kept-rows.ts';
import { dropMoved } from './move-tables.ts';

export interface Pruned {
  readonly removed: readonly { id: number; migration: string }[];
  readonly kept: readonly { id: number; migration: string; reason: string }[];
}

/** Which entries to prune. Default: all. */
export interface PruneOptions {
  readonly entry?: number | undefined;
  readonly migration?: string | undefined;
  /** The least time since the restore, in seconds. Default: 0. */
  readonly olderThan?: number | undefined;
  /** Whether nothing is removed. */
  readonly dryRun?: boolean | undefined;
}

/**
 * Removes restored entries, except those that a rollback or an open entry still needs.
 *
 * @throws UndropError `archive-missing` where the named entry does not exist, `bad-options` where it is open
 */
export async function pruneArchive(session: Session, options: PruneOptions): Promise<Pruned> {
  await lockIfPublished(session);
  const entries = await readEntries(session);
  const named = options.entry !== undefined || options.migration !== undefined;
  const meant = entries.filter(
    ({ id, migration }) =>
      (options.entry === undefined || id === options.entry) &&
      (options.migration === undefined || migration === options.migration),
  );
  if (named && meant.length === 0) throw noSuchEntry(session, options, entries);
  const open = meant.find(({ restoredAt }) => restoredAt === null);
  if (named && open !== undefined) throw stillOpen(open);
  const recorded = await readRecorded(session);
  const young = await readYoung(session, options.olderThan ?? 0);
  const needed = new Set((await session.read<{ id: number }>(neededSql)).map(({ id }) => id));
  const judged = meant.map((entry) => ({
    entry,
    reason: whyKept(entry, entries, { recorded, young, needed, named }),
  }));
  const about = ({ id, migration }: KeptEntry) => ({ id, migration });
  const removed = judged.flatMap(({ entry, reason }) => (reason === null ? [about(entry)] : []));
  const kept = judged.flatMap(({ entry, reason }) => (reason === null ? [] : [{ ...about(entry), reason }]));
  const ids = removed.map(({ id }) => id);
  if (removed.length > 0 && options.dryRun !== true) {
    await dropStores(session, ids);
    for (const { entry, reason } of judged) if (reason === null) await dropMoved(session, entry.moved);
    await changeArchive(session, () => session.write(removeSql, [ids]));
  }
  return { removed, kept };
}

const removeSql = 'delete from undrop.drops where id = any ($1) and restored_at is not null';

const youngSql = /* sql */ `
  select d.id from undrop.drops as d
  where pg_catalog.clock_timestamp() - d.restored_at < pg_catalog.make_interval(secs => $1)`;

async function readYoung(session: Session, seconds: number): Promise<ReadonlySet<number>> {
  if (seconds === 0) return new Set();
  const young = await session.read<{ id: number }>(youngSql, [seconds]);
  return new Set(young.map(({ id }) => id));
}

// An open entry may depend on a relation that a later migration dropped and restored. It holds the old OID only, and
// needs the later entry to find the new one.
const neededSql = /* sql */ `
  select d.id
  from undrop.drops as d
  where d.restored_at is not null and exists (
    select from undrop.drops as o
    cross join lateral pg_catalog.jsonb_to_recordset(o.prerequisites) as q (catalog text, names text[])
    where o.restored_at is null and o.id < d.id and q.catalog = 'pg_class'
      and pg_catalog.to_jsonb(d) -> 'oids' ? pg_catalog.format('%I.%I', q.names[1], q.names[2]))`;

interface Reasons {
  /** The migrations that Knex has recorded as completed. */
  readonly recorded: ReadonlySet<string>;
  /** Entries that were restored too recently. */
  readonly young: ReadonlySet<number>;
  /** Entries that open entries need. */
  readonly needed: ReadonlySet<number>;
  /** Whether an entry or a migration was named. */
  readonly named: boolean;
}

function whyKept(
  entry: KeptEntry,
  entries: readonly KeptEntry[],
  { recorded, young, needed, named }: Reasons,
): string | null {
  if (entry.restoredAt === null) return 'it is open: its tables are dropped';
  const rest = restOf(entry, entries);
  if (rest.restoredAt === null) return `its other tables are in entry ${rest.id}, which is open`;
  if (isLatest(entry, entries) && recorded.has(withoutExtension(entry.migration))) {
    return 'Knex has recorded its migration as completed: the rollback needs the entry to see that the tables are restored';
  }
  if (needed.has(entry.id)) return 'an open entry depends on a relation that it restored';
  if (entry.accepted.length > 0 && !named) {
    return `differences were accepted when it was restored: --entry ${entry.id} removes it, with the rows that it holds`;
  }
  return young.has(entry.id) ? 'it was restored too recently' : null;
}

/** The last entry that a split entry was split into. */
function restOf(entry: KeptEntry, entries: readonly KeptEntry[]): KeptEntry {
  const rest = entries.find(({ id }) => id === entry.splitInto);
  return rest === undefined ? entry : restOf(rest, entries);
}

function noSuchEntry(session: Session, options: PruneOptions, entries: readonly KeptEntry[]): UndropError {
  const subject = options.migration ?? `entry ${options.entry}`;
  const known = entries.map(({ id, migration }) => `${id} (${migration})`);
  return new UndropError('archive-missing', {
    subject,
    message: `The archive in ${session.database} has no such entry: ${subject}.`,
    reason: known.length === 0 ? 'The archive is empty.' : `It holds ${known.join(', ')}.`,
    next: 'Correct --entry or --migration.',
  });
}

function stillOpen({ id, migration, tables }: KeptEntry): UndropError {
  return new UndropError('bad-options', {
    subject: migration,
    message: `Entry ${id} of ${migration} cannot be removed.`,
    reason: `It is open: ${tables.map(({ sql }) => sql).join(', ')} cannot be restored without it.`,
    next: `Restore it, then remove it; or remove its rows for good with --give-up ${migration}.`,
  });
}
