import type { Member, ObjectKey } from './closure.ts';

/** Breaks ties between statements that do not need one another. */
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

/** Statements that belong together, and what they make. */
export interface Piece {
  readonly phase: Phase;
  readonly kind: string;
  readonly identity: string;
  /** The objects that are there once the statements have run; none where they only add to one. */
  readonly creates: readonly ObjectKey[];
  /** What must be there first, beside what `pg_depend` says of the objects in `creates`. */
  readonly needs: readonly ObjectKey[];
  readonly sql: readonly string[];
}

/** A piece that makes one member, and objects that cannot be made apart from it. */
export function makes(
  member: Member,
  phase: Phase,
  sql: readonly (string | null)[],
  inline: readonly ObjectKey[] = [],
): Piece {
  return { ...about(member), phase, creates: [member.key, ...inline], needs: [], sql: present(sql) };
}

/** A piece that adds to a member; none where there is nothing to add. */
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
