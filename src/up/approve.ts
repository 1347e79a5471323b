import type { KeptApproval } from '../archive/entry.ts';
import { fingerprintOf } from '../capture/fingerprint.ts';
import { readClosure } from '../catalog/closure.ts';
import { readOwnFacts } from '../catalog/facts/facts.ts';
import { earlierFacts, type FactsVersion } from '../catalog/facts/normal-rows.ts';
import { UndropError } from '../errors.ts';
import { type Approval, readApprovals } from '../options/approvals.ts';
import type { Options } from '../options/options.ts';
import type { Table } from '../options/table.ts';
import type { Session } from '../session/session.ts';

/**
 * The tables that approvals leave, all of them where none are asked for.
 *
 * @throws UndropError `approval-missing`
 */
export function approvedTables(options: Options): Options['tables'] {
  if (options.approval === 'none') return options.tables;
  const approvals = readApprovals();
  const tables = options.tables.filter(({ written }) => approvals.has(written));
  if (tables.length > 0) return tables;
  const names = options.tables.map(({ written }) => written).join(', ');
  throw new UndropError('approval-missing', {
    subject: options.name,
    message: `${options.name} drops nothing, since none of its tables is approved.`,
    reason: `Each of ${names} needs an approval of its own.`,
    next: `Set APPROVED_DROPS to the tables that may go, separated by commas.`,
  });
}

/**
 * The approvals of the tables, as the archive keeps them. One that is bound to a fingerprint holds only for the
 * table that it was given for.
 *
 * @throws UndropError `approval-stale` naming every table that has changed since
 */
export async function checkFingerprints(
  session: Session,
  tables: readonly Table[],
  options: Options,
): Promise<KeptApproval[]> {
  if (options.approval === 'none') return [];
  const approvals = readApprovals();
  const kept: KeptApproval[] = [];
  const stale: string[] = [];
  for (const table of tables) {
    const approval = approvals.get(table.written);
    if (approval === undefined) continue;
    const current = await compareFingerprint(session, table, approval);
    if (current !== undefined)
      stale.push(`${table.written} is ${current}, approved was ${approval.fingerprint}`);
    kept.push({
      table: table.written,
      fingerprint: approval.fingerprint ?? null,
      by: process.env.APPROVED_BY ?? null,
      note: process.env.APPROVAL_NOTE ?? null,
      at: new Date().toISOString(),
    });
  }
  if (stale.length === 0) return kept;
  throw new UndropError('approval-stale', {
    subject: options.name,
    message: 'Tables have changed since they were approved.',
    reason: stale.join('\n'),
    next: 'Look at them again with npm run preflight, and approve what is there now.',
  });
}

/** The fingerprint of the table where it is another one than was approved; one of an earlier version still holds. */
async function compareFingerprint(
  session: Session,
  table: Table,
  approval: Approval,
): Promise<string | undefined> {
  if (approval.fingerprint === undefined) return undefined;
  const current = await tableFingerprint(session, table.oid);
  if (current.startsWith(approval.fingerprint)) return undefined;
  for (const version of earlierFacts) {
    const earlier = await tableFingerprint(session, table.oid, version);
    if (earlier.startsWith(approval.fingerprint)) return undefined;
  }
  return current;
}

/** The fingerprint of one table: of the facts of its own closure. */
export async function tableFingerprint(
  session: Session,
  oid: number,
  version?: FactsVersion,
): Promise<string> {
  return fingerprintOf(await readOwnFacts(session, await readClosure(session, [oid]), version));
}
