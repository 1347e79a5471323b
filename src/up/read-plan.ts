import type { Knex } from 'knex';
import { captureStatements, type Statement } from '../capture/capture.ts';
import { fingerprintOf } from '../capture/fingerprint.ts';
import { type Closure, dependents, readClosure } from '../catalog/closure.ts';
import { readFacts } from '../catalog/facts/facts.ts';
import { withTables } from '../catalog/find-schemas.ts';
import type { Obstacle } from '../catalog/obstacle.ts';
import type { Options } from '../options/options.ts';
import type { Table } from '../options/table.ts';
import { inSession, type Session } from '../session/session.ts';
import { approvedTables, tableFingerprint } from './approve.ts';
import { findTables } from './find-tables.ts';
import { type Filled, findRows } from './preconditions.ts';

/** What `up` would do. */
export interface Plan {
  /** The tables that would be dropped, as the migration writes them. An approval may name the fingerprint. */
  readonly tables: readonly { table: string; fingerprint: string; reason: string | undefined }[];
  /** Tables that the migration names and that do not exist. */
  readonly missing: readonly string[];
  /** All objects that the drop would remove, tables first. A `dependent` object is not part of a named table. */
  readonly closure: readonly { kind: string; identity: string; dependent: boolean }[];
  /** Tables that are not empty. */
  readonly filled: readonly Filled[];
  /** Objects that could not be restored exactly. */
  readonly obstacles: readonly Obstacle[];
  /** The statements that `down` would replay, in order. */
  readonly statements: readonly Statement[];
  /** Fingerprint of all tables together: 12 hexadecimal digits, which do not depend on rows and sequence values. */
  readonly fingerprint: string;
}

/** The plan of one migration, as `planDrop` returns it, from parsed options. */
export async function readPlan(knex: Knex, options: Options): Promise<Plan> {
  const work = async (session: Session): Promise<Plan> => {
    const { tables, missing } = await findTables(session, approvedTables(await withTables(session, options)));
    const { plan } = await planTables(session, tables, options.rows);
    return { ...plan, missing: missing.map(({ written }) => written) };
  };
  return inSession(knex, work, { onlyReads: true });
}

/** The plan for some tables, and their closure. */
export async function planTables(
  session: Session,
  tables: readonly Table[],
  rows: Options['rows'],
): Promise<{ plan: Omit<Plan, 'missing'>; closure: Closure }> {
  const closure = await readClosure(
    session,
    tables.map(({ oid }) => oid),
  );
  const { statements, obstacles } = await captureStatements(session, closure, { mode: rows });
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
