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
import { commandLine } from '../text/command-line.ts';

/**
 * The approved tables of the migration; all of its tables where it needs no approval.
 *
 * @throws UndropError `approval-missing` where none is approved
 */
export function approvedTables(options: Options): Options['tables'] {
  if (options.approval === 'none') return options.tables;
  const approvals = readApprovals();
  const tables = options.tables.filter(({ written }) => approvals.has(written));
  if (tables.length > 0) return tables;
  const names = options.tables.map(({ written }) => written).join(', ');
  throw new UndropError('approval-missing', {
    subject: options.name,
    message: `${options.name} cannot run: none of its tables is approved.`,
    reason: `Each of these tables needs an approval: ${names}.`,
    next: 'Set APPROVED_DROPS to the tables to drop, separated by commas, or run undrop approve with a proposal.',
  });
}

/**
 * The approvals of the tables, for the archive. Where an approval names a fingerprint, it must match that of the table.
 *
 * @throws UndropError `approval-stale`, listing every table whose fingerprint differs
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
      stale.push(`${table.written}: approved as ${approval.fingerprint}, now ${current}`);
    kept.push({
      table: table.written,
      fingerprint: approval.fingerprint ?? null,
      by: approval.by,
      note: approval.note,
      at: approval.at ?? new Date().toISOString(),
    });
  }
  if (stale.length === 0) return kept;
  throw new UndropError('approval-stale', {
    subject: options.name,
    message: 'Tables were changed after they were approved.',
    reason: stale.join('\n'),
    next: `Check them with ${commandLine('preflight')}, and approve the new fingerprints.`,
  });
}

/** The fingerprint of the table, where the approved one differs. A fingerprint from an earlier version matches too. */
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

/** The fingerprint of the facts of the table's own closure. */
export async function tableFingerprint(
  session: Session,
  oid: number,
  version?: FactsVersion,
): Promise<string> {
  return fingerprintOf(await readOwnFacts(session, await readClosure(session, [oid]), version));
}
