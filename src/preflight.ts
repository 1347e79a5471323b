import { checkApprovals, readApprovals } from './approvals.ts';
import { approvedTables, checkFingerprints, tableFingerprint } from './approve.ts';
import { hasArchive } from './archive-schema.ts';
import { requireBackup } from './backup/required.ts';
import { readBlockers } from './blockers.ts';
import { notReproducible, type Statement } from './capture.ts';
import type { Closure } from './catalog/closure.ts';
import { check } from './check.ts';
import { type KeptEntry, readEntries } from './entries.ts';
import { type ErrorCode, isUndropError, UndropError } from './errors.ts';
import { findTables, gate, type Table } from './gate.ts';
import { findLedgers } from './ledgers.ts';
import { withoutExtension } from './migration-name.ts';
import type { Options } from './options.ts';
import { type Plan, planTables } from './plan-drop.ts';
import { findMissingRights } from './preflight-rights.ts';
import { describePublished } from './published.ts';
import { quietly } from './say.ts';
import type { Session } from './session.ts';
import { type Loaded, loadMigrations, readLedger } from './status.ts';
import { readPresent, verifyDropped } from './verify.ts';

/** One condition of `up`, and how it stands. */
export interface GateState {
  readonly gate:
    | 'archive'
    | 'approval'
    | 'tables'
    | 'backup'
    | 'rights'
    | 'outsiders'
    | 'rows'
    | 'way back'
    | 'locks';
  /** `held`: others have locks now, which `up` would wait for; `off`: not asked for. */
  readonly state: 'ok' | 'off' | 'waits' | 'held' | 'refused';
  /** What was found, for people. */
  readonly found: string;
  /** What `up` would refuse with. */
  readonly refusals: readonly Refusal[];
}

export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly reason: string;
  readonly next: string;
}

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
  /** Every object that would go; outsiders are those of no named table. */
  readonly closure: Plan['closure'];
  /** What `down` would replay, in order. */
  readonly statements: readonly Statement[];
  /** What would be locked ACCESS EXCLUSIVE: nobody else can use it until `up` has ended. */
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
  const [ledger = null] = await findLedgers(session);
  const rows = ledger === null ? [] : await readLedger(session, ledger);
  const loaded = await loadMigrations(folder, rows);
  checkApprovals(
    loaded.flatMap(({ options }) =>
      options?.approval === 'each-table' ? options.tables.map(({ written }) => written) : [],
    ),
  );
  const recorded = new Set(rows.map(({ name }) => withoutExtension(name)));
  const entries = await readEntries(session);
  const migrations: MigrationPreflight[] = [];
  for (const migration of loaded) {
    if (!recorded.has(migration.name) && migration.options !== undefined)
      migrations.push(await look(session, migration, migration.options, entries));
  }
  return { migrations, failure: failureOf(session, migrations) };
}

async function look(
  session: Session,
  { offered }: Loaded,
  options: Options,
  entries: readonly KeptEntry[],
): Promise<MigrationPreflight> {
  const entry = entries.find(
    ({ migration, restoredAt }) => migration === options.name && restoredAt === null,
  );
  const present = await readPresent(session, entry?.tables.map(({ sql }) => sql) ?? []);
  if (entry !== undefined && present.length === 0) return done(options, entry);

  const waits = options.approval === 'each-table' && !offered;
  const wanted = waits ? options.tables : approvedTables(options);
  const { tables, refusals, missing } = await findAll(session, { ...options, tables: wanted });
  const { plan, closure } = await planTables(session, tables);
  const named = plan.tables.map(({ table }) => table).join(', ') || 'none';
  const published = await describePublished(session);
  const gates: GateState[] = [
    await lookAt(
      session,
      'archive',
      published === undefined ? 'no open entry' : `no open entry; ${published}`,
      async () => {
        if (entry !== undefined) await verifyDropped(session, entry);
      },
    ),
    waits
      ? { gate: 'approval', state: 'waits', found: 'none of its tables is approved', refusals: [] }
      : await approvalGate(session, tables, options),
    {
      gate: 'tables',
      state: refusals.length > 0 ? 'refused' : 'ok',
      found: `${named}${missing.length === 0 ? '' : `; not there: ${missing.join(', ')}`}`,
      refusals,
    },
    await backupGate(session, tables, options),
    await lookAt(session, 'rights', `${session.role} has them`, () =>
      checkRights(session, tables, closure, options),
    ),
    await lookAt(session, 'outsiders', describeOutsiders(plan), () =>
      check(session, closure, { ...options, rows: 'archive' }),
    ),
    await lookAt(session, 'rows', describeRows(plan), () =>
      check(session, closure, { ...options, outsiders: 'cascade' }),
    ),
    await lookAt(session, 'way back', `${plan.statements.length} statements`, async () => {
      if (plan.obstacles.length > 0) throw notReproducible(plan.obstacles);
    }),
    await lockGate(session, closure),
  ];
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

function done(options: Options, { id, droppedAt }: KeptEntry): MigrationPreflight {
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

/** One gate: what it throws is what `up` would refuse with. */
async function lookAt(
  session: Session,
  name: GateState['gate'],
  found: string,
  work: () => Promise<unknown>,
): Promise<GateState> {
  const refusal = await refusalOf(session, work);
  if (refusal === undefined) return { gate: name, state: 'ok', found, refusals: [] };
  return { gate: name, state: 'refused', found: refusal.message, refusals: [refusal] };
}

async function refusalOf(session: Session, work: () => Promise<unknown>): Promise<Refusal | undefined> {
  try {
    await quietly(() => session.attempt(work));
    return undefined;
  } catch (error) {
    if (!isUndropError(error)) throw error;
    const { code, message, reason, next } = error;
    return { code, message, reason, next };
  }
}

/** Each name alone, so that one that is no table does not hide the next. */
async function findAll(session: Session, options: Options) {
  const refusals: Refusal[] = [];
  const sound: Options['tables'][number][] = [];
  const tables: Table[] = [];
  const missing: string[] = [];
  for (const name of options.tables) {
    const refusal = await refusalOf(session, async () => {
      const found = await findTables(session, [name]);
      tables.push(...found.tables);
      missing.push(...found.missing.map(({ written }) => written));
    });
    if (refusal === undefined) sound.push(name);
    else refusals.push(refusal);
  }
  if (sound.length > 0) {
    const absent = await refusalOf(session, () =>
      gate(session, { ...options, tables: sound, approval: 'none' }),
    );
    if (absent !== undefined) refusals.push(absent);
  }
  return { tables, missing, refusals };
}

async function approvalGate(
  session: Session,
  tables: readonly Table[],
  options: Options,
): Promise<GateState> {
  if (options.approval === 'none')
    return { gate: 'approval', state: 'off', found: 'none is asked for', refusals: [] };
  const by = process.env.APPROVED_BY;
  const found = `${tables.length} of ${options.tables.length} tables approved${by ? ` by ${by}` : ''}`;
  return lookAt(session, 'approval', found, () => checkFingerprints(session, tables, options));
}

async function backupGate(session: Session, tables: readonly Table[], options: Options): Promise<GateState> {
  if (options.backup === 'off')
    return { gate: 'backup', state: 'off', found: 'none is asked for', refusals: [] };
  if (tables.length === 0)
    return { gate: 'backup', state: 'off', found: 'there is nothing to drop', refusals: [] };
  return lookAt(session, 'backup', 'there is one of this database, proved and young enough', async () => {
    if (await hasArchive(session)) await requireBackup(session, tables, options);
    else throw noBackup(session, options);
  });
}

function noBackup({ database }: Session, { name }: Options): UndropError {
  return new UndropError('backup-missing', {
    subject: database,
    message: `${name} asks for a backup of ${database}.`,
    reason: `There is no archive in ${database} yet, and so no backup is recorded.`,
    next: 'Take one with npm run backup. To go on without: UNDROP_BACKUP=off',
  });
}

async function checkRights(
  session: Session,
  tables: readonly Table[],
  closure: Closure,
  options: Options,
): Promise<void> {
  const rights = await findMissingRights(session, tables, closure, options);
  if (rights.length === 0) return;
  throw new UndropError('insufficient-privilege', {
    subject: options.name,
    message: `The role ${session.role} lacks rights that ${options.name} needs.`,
    reason: rights.join('\n'),
    next: 'Grant them, or run the migration as the owner of the tables.',
  });
}

async function lockGate(session: Session, closure: Closure): Promise<GateState> {
  const relations = lockedRelations(closure);
  const { lines } = await readBlockers(
    session,
    relations.map(({ oid }) => oid),
  );
  const taken = relations.length === 1 ? '1 relation' : `${relations.length} relations`;
  if (lines.length === 0) {
    return {
      gate: 'locks',
      state: 'ok',
      found: `access exclusive on ${taken}; nobody holds them now`,
      refusals: [],
    };
  }
  const found = `access exclusive on ${taken}; up would wait for ${lines.join('; ')}`;
  return { gate: 'locks', state: 'held', found, refusals: [] };
}

/** What DROP locks: what goes, and what it is tied to by a key, a policy or a default. */
function lockedRelations({ members, hosts }: Closure): { oid: number; identity: string }[] {
  const own = members
    .filter(
      ({ catalog, objsubid, schema }) => catalog === 'pg_class' && objsubid === 0 && schema !== 'pg_toast',
    )
    .filter(({ kind }) => kind !== 'index')
    .map(({ objid, identity }) => ({ oid: objid, identity }));
  return [...own, ...hosts.map(({ oid, identity }) => ({ oid, identity }))];
}

function describeOutsiders({ closure }: Pick<Plan, 'closure'>): string {
  const others = closure.filter(({ outsider }) => outsider);
  if (others.length === 0) return 'no object of others needs the tables';
  return `would go and come back: ${others.map(({ kind, identity }) => `${kind} ${identity}`).join(', ')}`;
}

function describeRows({ filled }: Pick<Plan, 'filled'>): string {
  if (filled.length === 0) return 'all tables are empty';
  return `the archive would keep them: ${filled.map(({ identity, found }) => `${identity}, ${found}`).join('; ')}`;
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
