import type { Audit, Evidence, TableAudit } from '../audit/audit.ts';

/** A table with what the audit makes of it. */
export interface KnownTable {
  readonly oid: number;
  /** Of the partitioned table that it is a part of. */
  readonly parent: number | null;
  readonly audit: TableAudit;
}

/** All tables by their qualified and quoted name, as closures write it. */
export function knowTables(evidence: Evidence, audit: Audit): Map<string, KnownTable> {
  const known = new Map<string, KnownTable>();
  evidence.tables.forEach(({ oid, parent, sql }, index) => {
    // An audit of all schemas has the tables in the same order.
    const one = audit.tables[index];
    if (one !== undefined) known.set(sql, { oid, parent, audit: one });
  });
  return known;
}
