import { withTables } from '../catalog/find-schemas.ts';
import { readPresent } from '../catalog/present.ts';
import { UndropError } from '../errors.ts';
import { readApprovals } from '../options/approvals.ts';
import type { Options } from '../options/options.ts';
import { parseTableName } from '../options/table-name.ts';
import type { Session } from '../session/session.ts';
import { lockIfPublished } from './change-archive.ts';
import { describeEntry } from './entries.ts';
import { damaged, type Entry, holdEntry } from './entry.ts';
import { isMeant, type Meaning, readMeanings } from './read-meanings.ts';
import { hasArchive } from './schema.ts';
import { headSql } from './seal.ts';

/** A migration that runs: its options, and the migrations table that records it. */
export interface Running {
  readonly options: Options;
  /** Qualified and quoted; undefined where it is unknown. */
  readonly ledger: string | undefined;
}

/** An entry with the name of the migration. */
export interface Named extends Pick<Entry, 'id' | 'ledger' | 'tables' | 'droppedAt' | 'restoredAt'> {
  /**
   * Whether the entry belongs to the migration (`own`), to the same migration under another migrations table or search
   * path, such as that of another tenant (`elsewhere`), or may belong to either, because the migration was edited or
   * another one has its name (`unclear`). A `damaged` entry fails its checksum, so that its contents cannot be used to
   * tell.
   */
  readonly whose: 'own' | 'elsewhere' | 'unclear' | 'damaged';
  /** It was recorded in the migrations table that is in use. */
  readonly sameLedger: boolean;
}

// Without to_regclass, which raises an error where the role lacks USAGE on the schema.
const namedSql = /* sql */ `
  select n.*, exists (
    select from pg_catalog.parse_ident(n.ledger) as p (names)
    join pg_catalog.pg_class as c on c.relname = p.names[2]
    join pg_catalog.pg_namespace as s on s.oid = c.relnamespace and s.nspname = p.names[1]) as "hasLedger"
  from (
    select d.id, d.tables, d.dropped_at as "droppedAt", d.restored_at as "restoredAt",
      pg_catalog.to_jsonb(d) ->> 'ledger' as ledger,
      pg_catalog.split_part(d.digest, '.', 2) in ('', ${headSql}) as "isSound"
    from undrop.drops as d
    where d.migration = $1 and (d.restored_at is null or not $2)
  ) as n
  order by n."restoredAt" is null desc, n.id desc`;

interface Found extends Omit<Named, 'whose' | 'sameLedger'> {
  readonly hasLedger: boolean;
  /** Whether the checksum of the entry is right. Older entries have none, and count as sound. */
  readonly isSound: boolean;
}

/**
 * Returns the entries with the name of the migration, open ones first, then the latest first. The archive must exist.
 *
 * @param which all entries, or only open ones
 */
export async function readNamed(
  session: Session,
  { options, ledger }: Running,
  which: 'all' | 'open' = 'all',
): Promise<Named[]> {
  const entries = await session.read<Found>(namedSql, [options.name, which === 'open']);
  // Of schemas that no longer exist, the entries tell the names.
  const schemas = entries
    .filter(({ isSound }) => isSound)
    .flatMap(({ tables }) => tables.flatMap(({ sql }) => parseTableName(sql).schema ?? []));
  const { tables } = await withTables(session, options, schemas);
  const meanings = await readMeanings(session, tables);
  return entries.map(({ hasLedger, isSound, ...entry }) => {
    if (!isSound) return { ...entry, sameLedger: false, whose: 'damaged' };
    // A migrations table that does not exist was moved or renamed, and tells nothing about the entry.
    const isKnown = entry.ledger !== null && hasLedger && ledger !== undefined;
    const sameLedger = isKnown && isSameTable(entry.ledger, ledger);
    return {
      ...entry,
      sameLedger,
      whose: isKnown && !sameLedger ? 'elsewhere' : judge(entry, meanings, sameLedger),
    };
  });
}

function judge(
  { tables }: Pick<Entry, 'tables'>,
  meanings: readonly Meaning[],
  sameLedger: boolean,
): Named['whose'] {
  if (tables.every(({ sql }) => meanings.some((meaning) => isMeant(sql, meaning)))) return 'own';
  const written = new Set(meanings.map((meaning) => meaning.written));
  // The same written names for other tables: the same migration under another search path.
  return !sameLedger && tables.every((table) => written.has(table.written)) ? 'elsewhere' : 'unclear';
}

/**
 * The open entry of a migration whose tables were dropped already, as after a crash between the commit of the drop and
 * Knex's write to its migrations table.
 *
 * @throws UndropError `name-taken` where dropped tables exist again, where the entry lacks tables of the migration, or
 * where an open entry of the same name holds other tables; `archive-damaged`
 */
export async function findDone(session: Session, running: Running): Promise<Named | undefined> {
  const { options } = running;
  const open = await readNamed(session, running, 'open');
  if (open.some(isDamaged)) throw damaged(options.name);
  const unclear = open.filter(({ whose }) => whose === 'unclear');
  if (unclear.length > 0) throw otherTables(options, unclear);
  const [own] = open.filter(({ whose }) => whose === 'own');
  if (own === undefined) return undefined;
  const tables = own.tables.map(({ sql }) => sql);
  const present = await readPresent(session, tables);
  if (present.length > 0) throw existAgain(options, own, present);
  const approvals = options.approval === 'none' ? undefined : readApprovals();
  const wanted = options.tables.filter(({ written }) => approvals?.has(written) ?? true);
  const left = (await readMeanings(session, wanted)).filter(({ present }) => present !== null);
  if (left.length > 0) throw notAllDropped(options, own, left);
  return own;
}

/**
 * The entry of a migration that is rolled back: the open one, or else the latest. Locked until the transaction ends.
 *
 * @throws UndropError `archive-missing`, `archive-damaged`; `bad-options` where several open entries qualify
 */
export async function findRestorable(session: Session, running: Running): Promise<Entry> {
  await lockIfPublished(session);
  const named = (await hasArchive(session)) ? await readNamed(session, running) : [];
  // An entry recorded in this migrations table belongs to this migration, even if its file was edited.
  const own = named.filter(({ whose, sameLedger }) => whose === 'own' || sameLedger);
  const open = own.filter(({ restoredAt }) => restoredAt === null);
  const sure = open.filter(({ sameLedger }) => sameLedger);
  const candidates = sure.length > 0 ? sure : open;
  if (candidates.length > 1) throw severalOpen(running.options, candidates);
  const found = candidates[0] ?? named.find(isDamaged) ?? own[0];
  if (found === undefined) throw archiveMissing(session, running.options, named);
  if (isDamaged(found)) throw damaged(running.options.name);
  const entry = await holdEntry(session, found.id);
  const same = entry !== undefined && (entry.restoredAt === null) === (found.restoredAt === null);
  // Else another session has restored it while this one waited for the lock.
  return same ? entry : findRestorable(session, running);
}

function isDamaged({ whose, restoredAt }: Named): boolean {
  return whose === 'damaged' && restoredAt === null;
}

function isSameTable(a: string | null, b: string | undefined): boolean {
  if (a === null || b === undefined) return false;
  const [one, other] = [parseTableName(a), parseTableName(b)];
  return one.schema === other.schema && one.name === other.name;
}

function otherTables({ name, tables, inSchemas }: Options, entries: readonly Named[]): UndropError {
  const ids = entries.map(({ id }) => id).join(', ');
  return new UndropError('name-taken', {
    subject: name,
    message: `The archive has an open entry of ${name} that holds other tables.`,
    reason: [
      ...entries.map(describeEntry),
      `the migration: ${inSchemas?.words ?? tables.map(({ written }) => written).join(', ')}`,
    ].join('\n'),
    next:
      `If this migration was edited after it ran, restore what it dropped: undrop restore --entry ${ids}\n` +
      'If this is another migration, give it a name of its own, such as name: import.meta.filename.\n' +
      "If it runs for another tenant, give each tenant a migrations table: migrations.schemaName in Knex's configuration.",
  });
}

function existAgain({ name }: Options, { id, droppedAt }: Named, tables: readonly string[]): UndropError {
  const [exist, them] = tables.length === 1 ? ['exists', 'it'] : ['exist', 'them'];
  return new UndropError('name-taken', {
    subject: tables.join(', '),
    message: `${tables.join(', ')} ${exist}, although ${name} dropped ${them}.`,
    reason: `Entry ${id} of the archive, dropped on ${droppedAt}, is still open.`,
    next: 'If these are the dropped tables, close the entry with: undrop restore --mark-restored. If they are new, rename them.',
  });
}

function notAllDropped({ name }: Options, entry: Named, left: readonly Meaning[]): UndropError {
  const names = left.map(({ present }) => present).join(', ');
  return new UndropError('name-taken', {
    subject: names,
    message: `${name} was run before, without ${names}.`,
    reason: `The entry of that run is still open.\n${describeEntry(entry)}`,
    next:
      `To drop all of the tables, first restore the entry, then run the migration again: undrop restore --entry ${entry.id}\n` +
      `To record the migration as it was run, remove ${names} from it.`,
  });
}

function severalOpen({ name }: Options, entries: readonly Named[]): UndropError {
  return new UndropError('bad-options', {
    subject: name,
    message: `The archive has several open entries of ${name}.`,
    reason: entries.map(describeEntry).join('\n'),
    next: 'Restore the right one with undrop restore --entry, then roll back again.',
  });
}

function archiveMissing(
  session: Session,
  { name, tables, inSchemas }: Options,
  others: readonly Named[],
): UndropError {
  const facts = {
    subject: name,
    message: `The archive in ${session.database} has no entry for ${name}.`,
  };
  if (others.length === 0) {
    return new UndropError('archive-missing', {
      ...facts,
      reason:
        'Knex has recorded the migration as completed, but what it dropped was never archived in this database, or its entry was removed.',
      next:
        'Restore the tables from a backup, or from exported DDL with restore --from-ddl; ' +
        "if nothing was dropped, delete the migration's row from the migrations table.",
    });
  }
  return new UndropError('archive-missing', {
    ...facts,
    message: `The archive in ${session.database} has no entry for ${name} with its tables and its migrations table.`,
    reason: [
      ...others.map(describeEntry),
      `the migration that is rolled back: ${inSchemas?.words ?? tables.map(({ written }) => written).join(', ')}, ` +
        `searched in the schemas ${session.schemas.join(', ')}`,
    ].join('\n'),
    next:
      "If one of these entries is the right one, restore it with undrop restore --entry, and delete the migration's row from the migrations table.\n" +
      "If nothing was dropped, delete the migration's row from the migrations table.",
  });
}
