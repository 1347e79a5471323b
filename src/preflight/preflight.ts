import { findDone, type Named, type Running } from '../archive/entry-of-migration.ts';
import { refuseReplicated } from '../archive/foreign-archive.ts';
import { refuseForeignSchema } from '../archive/foreign-schema.ts';
import { hasArchive } from '../archive/schema.ts';
import type { Statement } from '../capture/capture.ts';
import { withTables } from '../catalog/find-schemas.ts';
import { isUndropError, UndropError } from '../errors.ts';
import { findLedger } from '../knex/find-ledgers.ts';
import type { Migrations } from '../migration/migrations.ts';
import { checkApprovals, readApprovals } from '../options/approvals.ts';
import { withoutExtension } from '../options/migration-name.ts';
import type { Options } from '../options/options.ts';
import type { Table } from '../options/table.ts';
import type { Session } from '../session/session.ts';
import { readLedger } from '../status/status.ts';
import { approvedTables, tableFingerprint } from '../up/approve.ts';
import { findTables } from '../up/find-tables.ts';
import type { Plan } from '../up/read-plan.ts';
import { planTables } from '../up/read-plan.ts';
import { type AdvisedCosts, adviseRows } from '../up/row-costs.ts';
import { checkGates, findAll, type GateState, lockedRelations, type Refusal } from './gates.ts';

export type { GateState };

/** A table that the migration names and that exists. */
export interface PlannedTable {
  /** As the migration writes it. */
  readonly table: string;
  /** Where it was found. */
  readonly schema: string;
  /** The fingerprint for an approval: `table@fingerprint`. */
  readonly fingerprint: string;
  readonly reason: string | null;
  /** Null if no approval is required. */
  readonly approved: boolean | null;
}

/** The predicted result of `up` of one migration. */
export interface MigrationPreflight {
  readonly migration: string;
  /** `done`: its tables were dropped, and the archive has an open entry of it. */
  readonly state: 'goes' | 'refused' | 'waits' | 'done';
  readonly tables: readonly PlannedTable[];
  readonly gates: readonly GateState[];
  /** All objects that would be dropped. Dependent objects do not belong to a named table. */
  readonly closure: Plan['closure'];
  /** The tables that may contain rows, and what it costs to keep these. */
  readonly costs: readonly AdvisedCosts[];
  /** The statements that `down` would replay, in order. */
  readonly statements: readonly Statement[];
  /** The relations that would be locked ACCESS EXCLUSIVE until the end of `up`; survivors are locked from the drop on. */
  readonly locks: readonly string[];
}

export interface Preflight {
  readonly migrations: readonly MigrationPreflight[];
  readonly failure: UndropError | undefined;
}

/**
 * Predicts the result of `up` for each pending migration and checks all of its gates. Only reads and takes no locks, so the
 * result may be outdated when `up` runs.
 *
 * @throws UndropError `bad-options` for invalid approvals, and any error of a migration while it loads
 */
export async function preflight(session: Session, project: Migrations): Promise<Preflight> {
  const ledger = await findLedger(session, project.ledger);
  const rows = ledger === undefined ? [] : await readLedger(session, ledger);
  const loaded = await project.load(rows.map(({ name }) => name));
  checkApprovals(
    loaded.flatMap(({ options }) =>
      options?.approval === 'each-table' ? options.tables.map(({ written }) => written) : [],
    ),
  );
  const recorded = new Set(rows.map(({ name }) => withoutExtension(name)));
  const migrations: MigrationPreflight[] = [];
  for (const { name, options, offered } of loaded) {
    if (!recorded.has(name) && options !== undefined)
      migrations.push(await check(session, offered, { options, ledger }));
  }
  return { migrations, failure: failureOf(session, migrations) };
}

/** Like `preflight`, for migrations that are given by their options instead of by their files. */
export async function preflightDrops(
  session: Session,
  drops: readonly Options[],
  named: Migrations['ledger'],
): Promise<MigrationPreflight[]> {
  const ledger = await findLedger(session, named);
  const migrations: MigrationPreflight[] = [];
  for (const options of drops) {
    const approvals = readApprovals();
    const offered = options.tables.some(({ written }) => approvals.has(written));
    migrations.push(await check(session, offered, { options, ledger }));
  }
  return migrations;
}

/** @param offered whether a migration that needs approvals has any */
async function check(
  session: Session,
  offered: boolean,
  { options: given, ledger }: Running,
): Promise<MigrationPreflight> {
  const options = await withTables(session, given);
  const running = { options, ledger };
  const archived = await findInArchive(session, running);
  if (archived.done !== undefined) return done(options, archived.done);

  const waits = options.approval === 'each-table' && !offered;
  const wanted = waits ? options.tables : approvedTables(options);
  const found = await findAll(session, { ...options, tables: wanted });
  const { plan, closure } = await planTables(session, found.tables, options.rows);
  const gates = await checkGates(session, {
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
    tables: await describeTables(session, options, found.tables, plan),
    gates,
    closure: plan.closure,
    costs: await adviseRows(session, closure, options),
    statements: plan.statements,
    locks: lockedRelations(closure).map(({ identity }) => identity),
  };
}

/** Returns the open entry of a migration whose tables were dropped, or the refusal because of an entry. */
async function findInArchive(
  session: Session,
  running: Running,
): Promise<{ done?: Named | undefined; refusal?: Refusal }> {
  try {
    if (!(await hasArchive(session))) {
      await refuseForeignSchema(session);
      return {};
    }
    await refuseReplicated(session);
    return { done: await findDone(session, running) };
  } catch (error) {
    if (!isUndropError(error)) throw error;
    const { code, message, reason, next } = error;
    return { refusal: { code, message, reason, next } };
  }
}

function done(options: Options, { id, droppedAt }: Named): MigrationPreflight {
  const found = `its tables were dropped on ${droppedAt} (entry ${id}); up has nothing to do`;
  const gates: GateState[] = [{ gate: 'archive', state: 'ok', found, refusals: [] }];
  return {
    migration: options.name,
    state: 'done',
    tables: [],
    gates,
    costs: [],
    closure: [],
    statements: [],
    locks: [],
  };
}

/** Describes all tables of the migration, also those not approved, since an approval needs their fingerprints. */
async function describeTables(
  session: Session,
  options: Options,
  found: readonly Table[],
  plan: Omit<Plan, 'missing'>,
): Promise<PlannedTable[]> {
  const approvals = options.approval === 'none' ? undefined : readApprovals();
  const known = new Map(plan.tables.map(({ table, fingerprint }) => [table, fingerprint]));
  const described: PlannedTable[] = [];
  for (const wanted of options.tables) {
    const { written } = wanted;
    const table = found.find((one) => one.written === written) ?? (await findTable(session, wanted));
    if (table === undefined) continue;
    described.push({
      table: written,
      schema: table.schema,
      fingerprint: known.get(written) ?? (await tableFingerprint(session, table.oid)),
      reason: wanted.reason ?? null,
      approved: approvals?.has(written) ?? null,
    });
  }
  return described;
}

async function findTable(session: Session, wanted: Options['tables'][number]): Promise<Table | undefined> {
  const tables = await findTables(session, [wanted]).then(
    (found) => found.tables,
    () => [],
  );
  return tables[0];
}

function failureOf(
  { database }: Session,
  migrations: readonly MigrationPreflight[],
): UndropError | undefined {
  // A migration that waits for approval is not offered to Knex, so it does not make migrate:latest fail.
  const refused = migrations.filter(({ state }) => state === 'refused');
  const [first] = refused.flatMap(({ gates }) => gates.flatMap(({ refusals }) => refusals));
  if (first === undefined) return undefined;
  const names = refused.map(({ migration }) => migration).join(', ');
  const codesOf = ({ gates }: MigrationPreflight) =>
    new Set(gates.flatMap(({ refusals }) => refusals.map(({ code }) => code)));
  return new UndropError(first.code, {
    subject: names,
    message: `knex migrate:latest would fail in ${database}, since ${names} would refuse.`,
    reason: refused.map((one) => `${one.migration}: ${[...codesOf(one)].join(', ')}`).join('\n'),
    next: 'Do what is printed as the next step of each refusal.',
  });
}
