import type { Knex } from 'knex';
import { approvedTables, tableFingerprint } from './approve.ts';
import { captureStatements, type Statement } from './capture.ts';
import { type Closure, outsiders, readClosure } from './catalog/closure.ts';
import { readFacts } from './catalog/facts.ts';
import type { Obstacle } from './catalog/refusals.ts';
import { type Filled, findRows } from './check.ts';
import { fingerprintOf } from './fingerprint.ts';
import { findTables, type Table } from './gate.ts';
import { type DropOptions, parseOptions } from './options.ts';
import { inSession, type Session } from './session.ts';

/** What `up` would do. */
export interface Plan {
  /** Those that would be dropped, as the migration writes them, each with what an approval of it may be bound to. */
  readonly tables: readonly { table: string; fingerprint: string; reason: string | undefined }[];
  /** Tables that the migration names and that are not there. */
  readonly missing: readonly string[];
  /** Every object that would go, tables first, under PostgreSQL's names; outsiders are those of no named table. */
  readonly closure: readonly { kind: string; identity: string; outsider: boolean }[];
  /** Tables that are not empty. */
  readonly filled: readonly Filled[];
  /** What could not be brought back exactly. */
  readonly obstacles: readonly Obstacle[];
  /** The statements that `down` would replay, in order. */
  readonly statements: readonly Statement[];
  /** Of all tables together: 12 hexadecimal digits, the same as long as nothing about them changes but rows and sequences. */
  readonly fingerprint: string;
}

/**
 * What `up` would do with these options, read-only and without locks: it may look different a moment later. Rows, outsiders
 * and obstacles are told, not refused.
 *
 * @param knex a connection or transaction of the client `pg`
 * @param given as for `reversibleDrop`; the environment is heeded likewise
 * @throws UndropError `bad-options`, `unsupported-server`, `not-a-table`, `extension-member`, `approval-missing`
 */
export async function planDrop(knex: Knex, given: DropOptions): Promise<Plan> {
  const options = parseOptions(given);
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
