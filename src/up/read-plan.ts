import type { Knex } from 'knex';
import { captureStatements, type Statement } from '../capture/capture.ts';
import { fingerprintOf } from '../capture/fingerprint.ts';
import { type Closure, dependents, readClosure } from '../catalog/closure.ts';
import { readFacts } from '../catalog/facts/facts.ts';
import type { Obstacle } from '../catalog/obstacle.ts';
import type { Options } from '../options/options.ts';
import type { Table } from '../options/table.ts';
import { inSession, type Session } from '../session/session.ts';
import { approvedTables, tableFingerprint } from './approve.ts';
import { findTables } from './find-tables.ts';
import { type Filled, findRows } from './preconditions.ts';

/** What `up` would do. */
export interface Plan {
  /** Those that would be dropped, as the migration writes them, each with what an approval of it may be bound to. */
  readonly tables: readonly { table: string; fingerprint: string; reason: string | undefined }[];
  /** Tables that the migration names and that are not there. */
  readonly missing: readonly string[];
  /** Every object that would go, tables first, under PostgreSQL's names; dependents are those of no named table. */
  readonly closure: readonly { kind: string; identity: string; dependent: boolean }[];
  /** Tables that are not empty. */
  readonly filled: readonly Filled[];
  /** What could not be brought back exactly. */
  readonly obstacles: readonly Obstacle[];
  /** The statements that `down` would replay, in order. */
  readonly statements: readonly Statement[];
  /** Of all tables together: 12 hexadecimal digits, the same as long as nothing about them changes but rows and sequences. */
  readonly fingerprint: string;
}

/** The plan of one migration: `planDrop`, with its options parsed. */
export async function readPlan(knex: Knex, options: Options): Promise<Plan> {
  const work = async (session: Session): Promise<Plan> => {
    const { tables, missing } = await findTables(session, approvedTables(options));
    const { plan } = await planTables(session, tables);
    return { ...plan, missing: missing.map(({ written }) => written) };
  };
  return inSession(knex, work, { onlyReads: true });
}

/** What the drop of some tables would mean, and the closure that it was read from. */
export async function planTables(
  session: Session,
  tables: readonly Table[],
): Promise<{ plan: Omit<Plan, 'missing'>; closure: Closure }> {
  const closure = await readClosure(
    session,
    tables.map(({ oid }) => oid),
  );
  const { statements, obstacles } = await captureStatements(session, closure);
  const fingerprints = [];
  for (const { oid, written, reason } of tables) {
    fingerprints.push({ table: written, fingerprint: await tableFingerprint(session, oid), reason });
  }
  const others = new Set(dependents(closure));
  const plan = {
    tables: fingerprints,
    closure: closure.members.map((member) => ({
      kind: member.kind,
      identity: member.identity,
      dependent: others.has(member),
    })),
    filled: await findRows(session, closure),
    obstacles,
    statements,
    fingerprint: fingerprintOf((await readFacts(session, closure)).own),
  };
  return { plan, closure };
}
