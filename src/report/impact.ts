import type { MigrationPreflight } from '../preflight/preflight.ts';
import type { KnownTable } from './known-tables.ts';

/** Number and size of the tables now, or after a pending migration. The proposal calls this "Storage Impact". */
export interface Stage {
  /** The migration after which the numbers apply; null for now. */
  readonly migration: string | null;
  readonly state: MigrationPreflight['state'] | null;
  readonly tables: number;
  readonly empty: number;
  /** Size of all tables with their indexes. */
  readonly bytes: number;
  /** Bytes freed compared with now. */
  readonly saved: number;
}

/** Returns the stages: now, and after each pending migration in turn. */
export function findImpact(
  tables: ReadonlyMap<string, KnownTable>,
  migrations: readonly MigrationPreflight[],
): Stage[] {
  const left = new Map(tables);
  const now = count(left, null, null, 0);
  const stages = [now];
  for (const { migration, state, closure } of migrations) {
    if (state === 'done') continue;
    for (const { kind, identity } of closure) if (kind === 'table') left.delete(identity);
    stages.push(count(left, migration, state, now.bytes));
  }
  return stages;
}

function count(
  left: ReadonlyMap<string, KnownTable>,
  migration: string | null,
  state: Stage['state'],
  before: number,
): Stage {
  const tables = [...left.values()].map(({ audit }) => audit);
  const bytes = tables.reduce((sum, { evidence }) => sum + evidence.bytes, 0);
  return {
    migration,
    state,
    tables: tables.length,
    empty: tables.filter(({ empty }) => empty === true).length,
    bytes,
    saved: Math.max(0, before - bytes),
  };
}

/** Formats a share: `31 %`. */
export function share(part: number, whole: number): string {
  return whole === 0 ? '' : `${Math.round((part / whole) * 100)} %`;
}

/** Formats a count with its share: `23 (31 %)`. */
export function withShare(part: number, whole: number): string {
  return whole === 0 ? `${part}` : `${part} (${share(part, whole)})`;
}

export function stageName({ migration, state }: Stage): string {
  if (migration === null) return 'now';
  const unless = { goes: '', waits: ', if approved', refused: ', currently refused', done: '' };
  return `after ${migration}${state === null ? '' : unless[state]}`;
}
