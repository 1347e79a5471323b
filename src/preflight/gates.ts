import { hasArchive } from '../archive/schema.ts';
import { requireBackup } from '../backup/backup-gate.ts';
import { notReproducible } from '../capture/capture.ts';
import type { Closure } from '../catalog/closure.ts';
import { describeEventTriggers } from '../catalog/event-triggers.ts';
import { type ErrorCode, isUndropError, UndropError } from '../errors.ts';
import { readBlockers } from '../locks/blockers.ts';
import { readApprovals } from '../options/approvals.ts';
import type { Options } from '../options/options.ts';
import type { Table } from '../options/table.ts';
import { onlyRead } from '../session/server-errors.ts';
import type { Session } from '../session/session.ts';
import { commandLine } from '../text/command-line.ts';
import { quietly } from '../text/log.ts';
import { countOf } from '../text/units.ts';
import { checkFingerprints } from '../up/approve.ts';
import { findTables, gate } from '../up/find-tables.ts';
import { check } from '../up/preconditions.ts';
import { describePublished } from '../up/publication-warning.ts';
import type { Plan } from '../up/read-plan.ts';
import { findMissingRights } from './rights.ts';

/** One condition of `up`, and whether it is met. */
export interface GateState {
  readonly gate:
    | 'server'
    | 'archive'
    | 'approval'
    | 'tables'
    | 'backup'
    | 'rights'
    | 'dependents'
    | 'rows'
    | 'restore'
    | 'locks';
  /** `held`: `up` would wait for locks of other sessions; `off`: the condition does not apply. */
  readonly state: 'ok' | 'off' | 'waits' | 'held' | 'refused';
  /** The finding as text. */
  readonly found: string;
  /** The errors with which `up` would refuse. */
  readonly refusals: readonly Refusal[];
}

export interface Refusal {
  readonly code: ErrorCode;
  readonly message: string;
  readonly reason: string;
  readonly next: string;
}

/** The input of the gates: one migration and the plan of its drop. */
export interface GateInput {
  readonly options: Options;
  /** The refusal because of an entry of the same name. */
  readonly archive: Refusal | undefined;
  /** Whether none of its tables is approved. */
  readonly waits: boolean;
  readonly tables: readonly Table[];
  readonly missing: readonly string[];
  /** The refusals of single names. */
  readonly refusals: readonly Refusal[];
  readonly plan: Omit<Plan, 'missing'>;
  readonly closure: Closure;
}

/** Checks every gate in the order of `up`. A gate that refuses does not stop the others. */
export async function checkGates(session: Session, input: GateInput): Promise<GateState[]> {
  const { options, archive, waits, tables, missing, refusals, plan } = input;
  const named = plan.tables.map(({ table }) => table).join(', ') || 'none';
  const published = await describePublished(session);
  const readOnly = await describeReadOnly(session);
  return [
    ...(readOnly === undefined ? [] : [readOnly.gate]),
    stateOf('archive', published === undefined ? 'no open entry' : `no open entry; ${published}`, archive),
    waits
      ? { gate: 'approval', state: 'waits', found: 'none of its tables is approved', refusals: [] }
      : await approvalGate(session, tables, options),
    {
      gate: 'tables',
      state: refusals.length > 0 ? 'refused' : 'ok',
      found: `${named}${missing.length === 0 ? '' : `; missing: ${missing.join(', ')}`}`,
      refusals,
    },
    ...(tables.length === 0
      ? (['backup', 'rights', 'dependents', 'rows', 'restore', 'locks'] as const).map(nothingToLookAt)
      : await tableGates(session, input, readOnly?.locks)),
  ];
}

function nothingToLookAt(gate: GateState['gate']): GateState {
  return { gate, state: 'off', found: 'nothing to look at', refusals: [] };
}

/** Checks the gates that look at tables. */
async function tableGates(
  session: Session,
  { options, tables, plan, closure }: GateInput,
  locks: GateState | undefined,
): Promise<GateState[]> {
  return [
    await backupGate(session, tables, options),
    await checkGate(session, 'rights', `${session.role} has all required privileges`, () =>
      checkRights(session, tables, closure, options),
    ),
    await checkGate(session, 'dependents', describeDependents(plan), () =>
      check(session, closure, { ...options, rows: 'move' }),
    ),
    await checkGate(session, 'rows', describeRows(plan, options), () =>
      check(session, closure, { ...options, dependents: 'cascade' }),
    ),
    await checkGate(
      session,
      'restore',
      describeRestore(plan, await describeEventTriggers(session)),
      async () => {
        if (plan.obstacles.length > 0) throw notReproducible(plan.obstacles);
      },
    ),
    locks ?? (await lockGate(session, closure)),
  ];
}

/** Finds the tables of a migration. Checks each name by itself, so that all refusals are found. */
export async function findAll(session: Session, options: Options) {
  const refusals: Refusal[] = [];
  const accepted: Options['tables'][number][] = [];
  const tables: Table[] = [];
  const missing: string[] = [];
  for (const name of options.tables) {
    const refusal = await refusalOf(session, async () => {
      const found = await findTables(session, [name]);
      tables.push(...found.tables);
      missing.push(...found.missing.map(({ written }) => written));
    });
    if (refusal === undefined) accepted.push(name);
    else refusals.push(refusal);
  }
  if (accepted.length > 0 || options.tables.length === 0) {
    const absent = await refusalOf(session, () =>
      gate(session, { ...options, tables: accepted, approval: 'none' }),
    );
    if (absent !== undefined) refusals.push(absent);
  }
  return { tables, missing, refusals };
}

/** Returns the relations that the drop locks: those of the closure except indexes, and the survivors. */
export function lockedRelations({ members, survivors }: Closure): { oid: number; identity: string }[] {
  const own = members
    .filter(
      ({ catalog, objsubid, schema }) => catalog === 'pg_class' && objsubid === 0 && schema !== 'pg_toast',
    )
    .filter(({ kind }) => kind !== 'index')
    .map(({ objid, identity }) => ({ oid: objid, identity }));
  return [...own, ...survivors.map(({ oid, identity }) => ({ oid, identity }))];
}

/** Checks one gate. An error of `work` is the refusal of `up`. */
async function checkGate(
  session: Session,
  name: GateState['gate'],
  found: string,
  work: () => Promise<unknown>,
): Promise<GateState> {
  return stateOf(name, found, await refusalOf(session, work));
}

function stateOf(gate: GateState['gate'], found: string, refusal: Refusal | undefined): GateState {
  if (refusal === undefined) return { gate, state: 'ok', found, refusals: [] };
  return { gate, state: 'refused', found: refusal.message, refusals: [refusal] };
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

const readOnlySql = /* sql */ `
  select pg_catalog.pg_is_in_recovery() as standby,
    pg_catalog.current_setting('default_transaction_read_only')::boolean as "readOnly"`;

/** The gates on a server or for a role that may not write; undefined where `up` can write. */
async function describeReadOnly(
  session: Session,
): Promise<{ gate: GateState; locks: GateState | undefined } | undefined> {
  const [server] = await session.read<{ standby: boolean; readOnly: boolean }>(readOnlySql);
  if (server === undefined || (!server.standby && !server.readOnly)) return undefined;
  const { code, message, reason, next } = onlyRead(session.database);
  const gate = stateOf('server', '', { code, message, reason, next });
  if (!server.standby) return { gate, locks: undefined };
  const found = 'unknown: this server is a standby, from which the locks of the primary are not visible';
  return {
    gate: { ...gate, found: 'this server is a standby; up needs the primary' },
    locks: { gate: 'locks', state: 'off', found, refusals: [] },
  };
}

async function approvalGate(
  session: Session,
  tables: readonly Table[],
  options: Options,
): Promise<GateState> {
  if (options.approval === 'none')
    return { gate: 'approval', state: 'off', found: 'not required', refusals: [] };
  const approvals = readApprovals();
  const by = new Set(tables.flatMap(({ written }) => approvals.get(written)?.by || []));
  const found = `${tables.length} of ${options.tables.length} tables approved${by.size > 0 ? ` by ${[...by].join(', ')}` : ''}`;
  return checkGate(session, 'approval', found, () => checkFingerprints(session, tables, options));
}

async function backupGate(session: Session, tables: readonly Table[], options: Options): Promise<GateState> {
  if (options.backup === 'off') return { gate: 'backup', state: 'off', found: 'not required', refusals: [] };
  return checkGate(session, 'backup', 'a recent backup of this database exists and is proved', async () => {
    if (await hasArchive(session)) await requireBackup(session, tables, options);
    else throw noBackup(session, options);
  });
}

function noBackup({ database }: Session, { name }: Options): UndropError {
  return new UndropError('backup-missing', {
    subject: database,
    message: `${name} requires a backup of ${database}.`,
    reason: `${database} has no archive yet, so no backup is recorded.`,
    next: `Take one with ${commandLine('backup')}. To continue without a backup, set UNDROP_BACKUP=off.`,
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
    message: `The role ${session.role} lacks privileges that ${options.name} requires.`,
    reason: rights.join('\n'),
    next: 'Grant these privileges, or run the migration as the owner of the tables.',
  });
}

async function lockGate(session: Session, closure: Closure): Promise<GateState> {
  const relations = lockedRelations(closure);
  const { lines, next } = await readBlockers(
    session,
    relations.map(({ oid }) => oid),
  );
  const count = countOf(relations.length, 'relation');
  if (lines.length === 0) {
    return {
      gate: 'locks',
      state: 'ok',
      found: `access exclusive on ${count}; no other session holds a lock`,
      refusals: [],
    };
  }
  const found = `access exclusive on ${count}; up would wait for ${lines.join('; ')}${next === '' ? '' : `.${next}`}`;
  return { gate: 'locks', state: 'held', found, refusals: [] };
}

function describeDependents({ closure }: Pick<Plan, 'closure'>): string {
  const others = closure.filter(({ dependent }) => dependent);
  if (others.length === 0) return 'no dependent objects';
  return `would be dropped and restored: ${others.map(({ kind, identity }) => `${kind} ${identity}`).join(', ')}`;
}

function describeRestore({ statements }: Pick<Plan, 'statements'>, triggers: string): string {
  const count = `${statements.length} statements`;
  return triggers === '' ? count : `${count}. ${triggers}, which may alter or refuse them`;
}

function describeRows({ filled }: Pick<Plan, 'filled'>, { rows }: Options): string {
  if (filled.length === 0) return 'all tables are empty';
  const describe = (some: Plan['filled']) =>
    some.map(({ identity, found }) => `${identity}, ${found}`).join('; ');
  const here = filled.filter(({ server }) => server === undefined);
  const elsewhere = filled.filter(({ server }) => server !== undefined);
  return [
    ...(here.length === 0
      ? []
      : [`would be ${rows === 'move' ? 'moved' : 'copied'} to the archive: ${describe(here)}`]),
    ...(elsewhere.length === 0 ? [] : [`would stay where they are: ${describe(elsewhere)}`]),
  ].join('; ');
}
