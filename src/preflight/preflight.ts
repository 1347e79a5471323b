import { findDone, type Named, type Running } from '../archive/entry-of-migration.ts';
import { hasArchive } from '../archive/schema.ts';
import type { Statement } from '../capture/capture.ts';
import { isUndropError, UndropError } from '../errors.ts';
import { findLedgers } from '../knex/find-ledgers.ts';
import { checkApprovals, readApprovals } from '../options/approvals.ts';
import { withoutExtension } from '../options/migration-name.ts';
import type { Options } from '../options/options.ts';
import type { Session } from '../session/session.ts';
import { type Loaded, loadMigrations, readLedger } from '../status/status.ts';
import { approvedTables, tableFingerprint } from '../up/approve.ts';
import { findTables } from '../up/find-tables.ts';
import type { Plan } from '../up/read-plan.ts';
import { planTables } from '../up/read-plan.ts';
import { findAll, type GateState, lockedRelations, lookAtGates, type Refusal } from './gates.ts';

export type { GateState };

/** A table that the migration names and that is there. */
export interface PlannedTable {
  readonly table: string;
  /** What an approval may be bound to: `table@fingerprint`. */
  readonly fingerprint: string;
  readonly reason: string | null;
  /** Null where no approval is asked for. */
  readonly approved: boolean | null;
}

/** What `up` of one migration would do now. */
export interface MigrationPreflight {
  readonly migration: string;
  /** `done`: its tables are gone already, by a drop that the archive keeps. */
  readonly state: 'goes' | 'refused' | 'waits' | 'done';
  readonly tables: readonly PlannedTable[];
  readonly gates: readonly GateState[];
  /** Every object that would go; dependents are those of no named table. */
  readonly closure: Plan['closure'];
  /** What `down` would replay, in order. */
  readonly statements: readonly Statement[];
  /** What would be locked ACCESS EXCLUSIVE until `up` has ended; what stays, from the drop on. */
  readonly locks: readonly string[];
}

export interface Preflight {
  readonly migrations: readonly MigrationPreflight[];
  readonly failure: UndropError | undefined;
}

/**
 * What `up` would do for each pending migration: every gate is looked at, whatever those before it have found. Read-only
 * and without locks, so it may look different a moment later.
 *
 * @param folder of the migrations
 * @throws UndropError `bad-options` for approvals that cannot be read; what a migration throws while it loads
 */
export async function preflight(session: Session, folder: string): Promise<Preflight> {
  const [ledger] = await findLedgers(session);
  const rows = ledger === undefined ? [] : await readLedger(session, ledger);
  const loaded = await loadMigrations(folder, rows);
  checkApprovals(
    loaded.flatMap(({ options }) =>
      options?.approval === 'each-table' ? options.tables.map(({ written }) => written) : [],
    ),
  );
  const recorded = new Set(rows.map(({ name }) => withoutExtension(name)));
  const migrations: MigrationPreflight[] = [];
  for (const migration of loaded) {
    if (!recorded.has(migration.name) && migration.options !== undefined)
      migrations.push(await look(session, migration, { options: migration.options, ledger }));
  }
  return { migrations, failure: failureOf(session, migrations) };
}

async function look(session: Session, { offered }: Loaded, running: Running): Promise<MigrationPreflight> {
  const { options } = running;
  const archived = await findInArchive(session, running);
  if (archived.done !== undefined) return done(options, archived.done);

  const waits = options.approval === 'each-table' && !offered;
  const wanted = waits ? options.tables : approvedTables(options);
  const found = await findAll(session, { ...options, tables: wanted });
  const { plan, closure } = await planTables(session, found.tables);
  const gates = await lookAtGates(session, {
    options,
    archive: archived.refusal,
    waits,
    plan,
    closure,
    ...found,
  });
  const refused = gates.some(({ state }) => state === 'refused');
  return {
    migration: options.name,
    state: waits ? 'waits' : refused ? 'refused' : 'goes',
    tables: await describeTables(session, options, plan),
    gates,
    closure: plan.closure,
    statements: plan.statements,
    locks: lockedRelations(closure).map(({ identity }) => identity),
  };
}

/** The entry by which the migration is done already, or what refuses it. */
async function findInArchive(
  session: Session,
  running: Running,
): Promise<{ done?: Named | undefined; refusal?: Refusal }> {
  if (!(await hasArchive(session))) return {};
  try {
    return { done: await findDone(session, running) };
  } catch (error) {
    if (!isUndropError(error)) throw error;
    const { code, message, reason, next } = error;
    return { refusal: { code, message, reason, next } };
  }
}

function done(options: Options, { id, droppedAt }: Named): MigrationPreflight {
  const found = `its tables were dropped on ${droppedAt} (entry ${id}): up has nothing left to do`;
  const gates: GateState[] = [{ gate: 'archive', state: 'ok', found, refusals: [] }];
  return {
    migration: options.name,
    state: 'done',
    tables: [],
    gates,
    closure: [],
    statements: [],
    locks: [],
  };
}

/** All that the migration names: an approval needs the fingerprint of what is not approved yet. */
async function describeTables(
  session: Session,
  options: Options,
  plan: Omit<Plan, 'missing'>,
): Promise<PlannedTable[]> {
  const approvals = options.approval === 'none' ? undefined : readApprovals();
  const known = new Map(plan.tables.map(({ table, fingerprint }) => [table, fingerprint]));
  const described: PlannedTable[] = [];
  for (const one of options.tables) {
    let fingerprint = known.get(one.written);
    if (fingerprint === undefined) {
      const [found] = await findTables(session, [one]).then(
        ({ tables }) => tables,
        () => [],
      );
      if (found === undefined) continue;
      fingerprint = await tableFingerprint(session, found.oid);
    }
    const approved = approvals?.has(one.written) ?? null;
    described.push({ table: one.written, fingerprint, reason: one.reason ?? null, approved });
  }
  return described;
}

function failureOf(
  { database }: Session,
  migrations: readonly MigrationPreflight[],
): UndropError | undefined {
  // What waits is not offered to Knex, and so stands in nobody's way.
  const refused = migrations.filter(({ state }) => state === 'refused');
  const refusals = refused.flatMap(({ migration, gates }) =>
    gates.flatMap((one) => one.refusals.map((refusal) => ({ migration, ...refusal }))),
  );
  const [first] = refusals;
  if (first === undefined) return undefined;
  const names = refused.map(({ migration }) => migration).join(', ');
  return new UndropError(first.code, {
    subject: names,
    message: `knex migrate:latest would be refused by ${names} in ${database}.`,
    reason: refusals.map(({ migration, code, message }) => `${migration}: ${code}: ${message}`).join('\n'),
    next: [...new Set(refusals.map(({ next }) => next))].join('\n'),
  });
}
