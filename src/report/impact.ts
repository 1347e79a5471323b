import type { MigrationPreflight } from '../preflight/preflight.ts';
import type { KnownTable } from './known-tables.ts';

/** What there is at one moment; the proposal's "Storage Impact" sets two of them side by side. */
export interface Stage {
  /** Null for now; else the migration that leads here. */
  readonly migration: string | null;
  readonly state: MigrationPreflight['state'] | null;
  readonly tables: number;
  readonly empty: number;
  /** Of the tables with their indexes. */
  readonly bytes: number;
  /** Of these bytes, what is no longer there that is there now. */
  readonly saved: number;
}

/** Now, and after each pending migration, one upon the other. */
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

/** `31 %` */
export function share(part: number, whole: number): string {
  return whole === 0 ? '' : `${Math.round((part / whole) * 100)} %`;
}

/** `23 (31 %)` */
export function withShare(part: number, whole: number): string {
  return whole === 0 ? `${part}` : `${part} (${share(part, whole)})`;
}

export function stageName({ migration, state }: Stage): string {
  if (migration === null) return 'now';
  const unless = { goes: '', waits: ', if approved', refused: ', which is refused as it stands', done: '' };
  return `after ${migration}${state === null ? '' : unless[state]}`;
}
