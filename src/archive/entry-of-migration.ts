import { readPresent } from '../catalog/present.ts';
import { UndropError } from '../errors.ts';
import { readApprovals } from '../options/approvals.ts';
import type { Options } from '../options/options.ts';
import { parseTableName } from '../options/table-name.ts';
import type { Session } from '../session/session.ts';
import { describeEntry } from './entries.ts';
import { damaged, type Entry, holdEntry } from './entry.ts';
import { isMeant, type Meaning, readMeanings } from './read-meanings.ts';
import { hasArchive } from './schema.ts';
import { headSql } from './seal.ts';

/** A migration that runs: its options, and the table in which Knex records it. */
export interface Running {
  readonly options: Options;
  /** Qualified and quoted; undefined where it is not known. */
  readonly ledger: string | undefined;
}

/** An entry of the migration's name. */
export interface Named extends Pick<Entry, 'id' | 'ledger' | 'tables' | 'droppedAt' | 'restoredAt'> {
  /**
   * The migration's own; that of another ledger or search path, as each tenant of a database has one; or unclear, since the
   * migration was edited or another one has its name. Of one that is damaged nothing is known.
   */
  readonly whose: 'own' | 'elsewhere' | 'unclear' | 'damaged';
  /** It was recorded in the very ledger that is in use. */
  readonly sameLedger: boolean;
}

// Not by to_regclass, which is an error where the role may not look into the schema.
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
    where d.migration = $1
  ) as n
  order by n."restoredAt" is null desc, n.id desc`;

interface Found extends Omit<Named, 'whose' | 'sameLedger'> {
  readonly hasLedger: boolean;
  /** Older entries are not sealed. */
  readonly isSound: boolean;
}

/** All entries of the migration's name, open ones first, then the latest first. There must be an archive. */
export async function readNamed(session: Session, { options, ledger }: Running): Promise<Named[]> {
  const entries = await session.read<Found>(namedSql, [options.name]);
  const meanings = await readMeanings(session, options.tables);
  return entries.map(({ hasLedger, isSound, ...entry }) => {
    if (!isSound) return { ...entry, sameLedger: false, whose: 'damaged' };
    // A ledger that is gone was moved or renamed, and says nothing.
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
  // The same names that mean other tables: the same migration under another search path.
  return !sameLedger && tables.every((table) => written.has(table.written)) ? 'elsewhere' : 'unclear';
}

/**
 * The open entry of a migration that is to drop its tables, where nothing is left to do: as after a crash between the drop
 * and Knex's ledger.
 *
 * @throws UndropError `name-taken` where tables are there although they were dropped, or not all are in the entry, or an open
 * entry of the name holds other tables; `archive-damaged`
 */
export async function findDone(session: Session, running: Running): Promise<Named | undefined> {
  const { options } = running;
  const open = (await readNamed(session, running)).filter(({ restoredAt }) => restoredAt === null);
  if (open.some(isDamaged)) throw damaged(options.name);
  const unclear = open.filter(({ whose }) => whose === 'unclear');
  if (unclear.length > 0) throw otherTables(options, unclear);
  const [own] = open.filter(({ whose }) => whose === 'own');
  if (own === undefined) return undefined;
  const tables = own.tables.map(({ sql }) => sql);
  const back = await readPresent(session, tables);
  if (back.length > 0) throw thereAgain(options, own, back);
  const approvals = options.approval === 'none' ? undefined : readApprovals();
  const wanted = options.tables.filter(({ written }) => approvals?.has(written) ?? true);
  const left = (await readMeanings(session, wanted)).filter(({ present }) => present !== null);
  if (left.length > 0) throw notAllDropped(options, own, left);
  return own;
}

/**
 * The entry of a migration that is rolled back: the one that is not restored yet, else the latest. Locked until the
 * transaction ends.
 *
 * @throws UndropError `archive-missing`, `archive-damaged`; `bad-options` where several may be meant
 */
export async function findRestorable(session: Session, running: Running): Promise<Entry> {
  const named = (await hasArchive(session)) ? await readNamed(session, running) : [];
  // What is recorded in this very ledger was dropped by this migration, whatever its file says by now.
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

function otherTables({ name, tables }: Options, entries: readonly Named[]): UndropError {
  const ids = entries.map(({ id }) => id).join(', ');
  return new UndropError('name-taken', {
    subject: name,
    message: `The archive has an open drop of the name ${name}, and it is of other tables.`,
    reason: [
      ...entries.map(describeEntry),
      `the migration that runs now: ${tables.map(({ written }) => written).join(', ')}`,
    ].join('\n'),
    next:
      `If this migration was edited since, bring back what it dropped before: undrop restore --entry ${ids}\n` +
      'If it is another migration, give it a name of its own, such as name: import.meta.filename.\n' +
      "If it runs for another tenant, give each one a ledger: migrations.schemaName in Knex's configuration.",
  });
}

function thereAgain({ name }: Options, { id, droppedAt }: Named, tables: readonly string[]): UndropError {
  const [are, them] = tables.length === 1 ? ['is', 'it'] : ['are', 'them'];
  return new UndropError('name-taken', {
    subject: tables.join(', '),
    message: `${tables.join(', ')} ${are} there again, although ${name} dropped ${them}.`,
    reason: `The archive keeps the drop of ${droppedAt} (entry ${id}), which has not been restored.`,
    next: 'If these tables are the old ones, record it with: undrop restore --mark-restored. If they are new, rename them.',
  });
}

function notAllDropped({ name }: Options, entry: Named, left: readonly Meaning[]): UndropError {
  const names = left.map(({ present }) => present).join(', ');
  return new UndropError('name-taken', {
    subject: names,
    message: `${name} has been run before, without ${names}.`,
    reason: `The archive keeps what it dropped then, and has not been asked for it since.\n${describeEntry(entry)}`,
    next:
      `To drop all of them, bring these back first, and run the migration again: undrop restore --entry ${entry.id}\n` +
      `To record the migration as it was run, leave out ${names}.`,
  });
}

function severalOpen({ name }: Options, entries: readonly Named[]): UndropError {
  return new UndropError('bad-options', {
    subject: name,
    message: `${name} is the name of several drops that may be meant.`,
    reason: entries.map(describeEntry).join('\n'),
    next: 'Bring back the right one with undrop restore --entry, then roll back again.',
  });
}

function archiveMissing(session: Session, { name, tables }: Options, others: readonly Named[]): UndropError {
  const facts = {
    subject: name,
    message: `The archive in ${session.database} has no entry for ${name}.`,
  };
  if (others.length === 0) {
    return new UndropError('archive-missing', {
      ...facts,
      reason:
        'Knex has it recorded as done, but what it dropped was never archived here, or the archive was emptied.',
      next:
        'Restore the tables from a backup, or from exported DDL with restore --from-ddl; ' +
        'if nothing was dropped, delete the row from the ledger.',
    });
  }
  return new UndropError('archive-missing', {
    ...facts,
    message: `The archive in ${session.database} has no entry for ${name} with its tables and its ledger.`,
    reason: [
      ...others.map(describeEntry),
      `the migration that is rolled back: ${tables.map(({ written }) => written).join(', ')}, ` +
        `looked up in the schemas ${session.schemas.join(', ')}`,
    ].join('\n'),
    next:
      'If one of these is what it dropped, bring it back with undrop restore --entry, and delete the row from the ledger.\n' +
      'If nothing was dropped, delete the row from the ledger.',
  });
}
