import type { Knex } from 'knex';
import { approvedTables, tableFingerprint } from './approve.ts';
import { captureStatements } from './capture.ts';
import { type Closure, outsiders, readClosure } from './catalog/closure.ts';
import { readFacts } from './catalog/facts.ts';
import { findRows } from './check.ts';
import { fingerprintOf } from './fingerprint.ts';
import { findTables, type Table } from './gate.ts';
import type { Options } from './options.ts';
import type { Plan } from './plan-drop.ts';
import { inSession, type Session } from './session.ts';

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
  const others = new Set(outsiders(closure));
  const plan = {
    tables: fingerprints,
    closure: closure.members.map((member) => ({
      kind: member.kind,
      identity: member.identity,
      outsider: others.has(member),
    })),
    filled: await findRows(session, closure),
    obstacles,
    statements,
    fingerprint: fingerprintOf((await readFacts(session, closure)).own),
  };
  return { plan, closure };
}
