import type { Member, ObjectKey } from './closure.ts';

/** The order of pieces that do not depend on each other. */
export const phases = [
  'begin',
  'cast',
  'operator',
  'operator class',
  'type',
  'routine',
  'sequence',
  'relation',
  'attach',
  'default',
  'rows',
  'key',
  'index',
  'attach index',
  'check',
  'statistics',
  'view',
  'foreign key',
  'late attach',
  'clone',
  'rule',
  'trigger',
  'policy',
  'publication',
  'mark',
  'state',
  'comment',
  'privileges',
  'grant',
  'refresh',
] as const;

export type Phase = (typeof phases)[number];

/** Statements that belong together, and the objects that they create. */
export interface Piece {
  readonly phase: Phase;
  readonly kind: string;
  readonly identity: string;
  /** The objects that the statements create; none if they only change an object. */
  readonly creates: readonly ObjectKey[];
  /** Objects that must exist first, in addition to the dependencies of `creates` in `pg_depend`. */
  readonly needs: readonly ObjectKey[];
  readonly sql: readonly string[];
}

/** Returns a piece that creates a member, and with it objects that have no statement of their own. */
export function makes(
  member: Member,
  phase: Phase,
  sql: readonly (string | null)[],
  inline: readonly ObjectKey[] = [],
): Piece {
  return { ...about(member), phase, creates: [member.key, ...inline], needs: [], sql: present(sql) };
}

/** Returns a piece that changes a member; none if there are no statements. */
export function addsTo(member: Member, phase: Phase, sql: readonly (string | null)[]): Piece[] {
  const statements = present(sql);
  if (statements.length === 0) return [];
  return [{ ...about(member), phase, creates: [], needs: [member.key], sql: statements }];
}

function about({ kind, identity }: Member) {
  return { kind, identity };
}

function present(sql: readonly (string | null)[]): string[] {
  return sql.filter((statement) => statement !== null);
}
