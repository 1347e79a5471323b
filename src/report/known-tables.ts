import type { Audit, Evidence, TableAudit } from '../audit/audit.ts';

/** A table with its result of the audit. */
export interface KnownTable {
  readonly oid: number;
  /** The OID of its partitioned table; null if it is not a partition. */
  readonly parent: number | null;
  readonly audit: TableAudit;
}

/** Maps the qualified and quoted names of all tables, as used in closures, to their results. */
export function knowTables(evidence: Evidence, audit: Audit): Map<string, KnownTable> {
  const known = new Map<string, KnownTable>();
  evidence.tables.forEach(({ oid, parent, sql }, index) => {
    // An audit of all schemas has the tables in the same order.
    const result = audit.tables[index];
    if (result !== undefined) known.set(sql, { oid, parent, audit: result });
  });
  return known;
}
