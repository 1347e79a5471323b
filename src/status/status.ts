import { type KeptEntry, readEntries } from '../archive/entries.ts';
import { type Named, readNamed } from '../archive/entry-of-migration.ts';
import { type BackupRecord, readBackups } from '../backup/records.ts';
import { readPresent } from '../catalog/present.ts';
import { findLedger } from '../knex/find-ledgers.ts';
import type { Loaded, Migrations } from '../migration/migrations.ts';
import { readApprovals } from '../options/approvals.ts';
import { withoutExtension } from '../options/migration-name.ts';
import { parseTableName, quoteName } from '../options/table-name.ts';
import type { Session } from '../session/session.ts';
import { type Leftover, readLeftovers } from './leftovers.ts';

export interface Status {
  /** The migrations table; null where it does not exist yet. */
  readonly ledger: string | null;
  readonly migrations: readonly MigrationStatus[];
  readonly archive: readonly KeptEntry[];
  readonly approvals: readonly { table: string; fingerprint: string | null; note: string }[];
  /** The newest three, newest first. */
  readonly backups: readonly BackupRecord[];
  readonly leftovers: readonly Leftover[];
}

export interface MigrationStatus {
  readonly name: string;
  readonly state: 'completed' | 'pending' | 'waiting';
  readonly batch: number | null;
  readonly time: string | null;
  /** What it waits for, or a remark about its state. */
  readonly note: string | null;
}

/**
 * Reads migrations table, archive, approvals, backups and scratch databases. Creates none of them.
 *
 * @throws UndropError `bad-options` for approvals that cannot be parsed; errors of loading a migration
 */
export async function readStatus(session: Session, migrations: Migrations): Promise<Status> {
  const ledger = (await findLedger(session, migrations.ledger)) ?? null;
  const rows = ledger === null ? [] : await readLedger(session, ledger);
  const archive = await readEntries(session);
  const loaded = await migrations.load(rows.map(({ name }) => name));
  const own = archive.length === 0 ? new Map() : await readOwn(session, loaded, ledger);
  return {
    ledger,
    migrations: describeMigrations(rows, loaded, archive, own),
    archive,
    approvals: await describeApprovals(session, rows, loaded, own),
    backups: (await readBackups(session)).slice(0, 3),
    leftovers: await readLeftovers(session),
  };
}

/** A row of the migrations table: a completed migration. */
export interface LedgerRow {
  name: string;
  batch: number;
  time: string;
}

/** The completed migrations, in the order in which they ran. */
export function readLedger(session: Session, ledger: string): Promise<LedgerRow[]> {
  return session.read<LedgerRow>(
    `select l.name, l.batch, l.migration_time as time from ${ledger} as l order by l.id`,
  );
}

type Own = ReadonlyMap<string, readonly Named[]>;

/** The entries of each migration, open ones first, without those of other migrations of the same name. */
async function readOwn(session: Session, loaded: readonly Loaded[], ledger: string | null): Promise<Own> {
  const own = new Map<string, readonly Named[]>();
  for (const { name, options } of loaded) {
    if (options === undefined) continue;
    const named = await readNamed(session, { options, ledger: ledger ?? undefined });
    own.set(
      name,
      named.filter(({ whose, sameLedger }) => whose === 'own' || sameLedger),
    );
  }
  return own;
}

function describeMigrations(
  ledger: readonly LedgerRow[],
  loaded: readonly Loaded[],
  archive: readonly KeptEntry[],
  own: Own,
): MigrationStatus[] {
  const byName = new Map(loaded.map((migration) => [migration.name, migration]));
  const openOf = (name: string) => own.get(name)?.find(({ restoredAt }) => restoredAt === null);
  const completed = ledger.map(({ name: recorded, batch, time }): MigrationStatus => {
    const name = withoutExtension(recorded);
    const migration = byName.get(name);
    const open = openOf(name);
    let note = archive.find(({ id }) => id === open?.id)?.note ?? null;
    if (migration === undefined) note = 'its file does not exist';
    else if (migration.options !== undefined && open === undefined) {
      note = own.get(name)?.length
        ? 'its tables are restored already; migrate:rollback records this'
        : 'the archive has no entry for it: it cannot be rolled back';
    }
    return { name: recorded, state: 'completed', batch, time, note };
  });
  const recorded = new Set(ledger.map(({ name }) => withoutExtension(name)));
  const others = loaded
    .filter(({ name }) => !recorded.has(name))
    .map(({ name, offered, waitsFor }): MigrationStatus => {
      const note =
        openOf(name) === undefined ? null : 'its tables are dropped already; migrate:latest records this';
      return offered
        ? { name, state: 'pending', batch: null, time: null, note }
        : { name, state: 'waiting', batch: null, time: null, note: waitsFor };
    });
  return [...completed, ...others];
}

async function describeApprovals(
  session: Session,
  ledger: readonly LedgerRow[],
  loaded: readonly Loaded[],
  own: Own,
): Promise<Status['approvals'][number][]> {
  const completed = new Set(ledger.map(({ name }) => withoutExtension(name)));
  const notes = [];
  for (const { table, fingerprint } of readApprovals().values()) {
    const migration = loaded.find(
      ({ options }) =>
        options?.approval === 'each-table' && options.tables.some(({ written }) => written === table),
    );
    const note = await approvalNote(session, table, migration, completed, own);
    notes.push({ table, fingerprint: fingerprint ?? null, note });
  }
  return notes;
}

async function approvalNote(
  session: Session,
  table: string,
  migration: Loaded | undefined,
  completed: ReadonlySet<string>,
  own: Own,
): Promise<string> {
  if (migration?.options === undefined) return 'no migration needs it';
  const { name } = migration;
  const open = own.get(name)?.filter(({ restoredAt }) => restoredAt === null) ?? [];
  if (open.some(({ tables }) => tables.some(({ written }) => written === table))) return `dropped by ${name}`;
  if (!(await exists(session, table))) return 'the table does not exist';
  if (!completed.has(name)) return `to be dropped by ${name}`;
  return (
    `${name} has run without it: run knex migrate:down ${name}, ` +
    'then knex migrate:latest with all tables approved'
  );
}

async function exists(session: Session, table: string): Promise<boolean> {
  const { schema, name } = parseTableName(table);
  const schemas = schema === undefined ? session.schemas : [schema];
  const names = schemas.map((each) => `${quoteName(each)}.${quoteName(name)}`);
  return (await readPresent(session, names)).length > 0;
}
