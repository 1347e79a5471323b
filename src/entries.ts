import type { Entry } from './archive.ts';
import { hasArchive } from './archive-schema.ts';
import type { Session } from './session.ts';

/** An entry with what people ask of it. Times are ISO 8601. */
export interface KeptEntry extends Entry {
  readonly droppedBy: string;
  readonly restoredBy: string | null;
  readonly fingerprint: string;
}

const entriesSql = /* sql */ `
  select d.id, d.migration, d.tables, d.dropped_at as "droppedAt", d.dropped_by as "droppedBy",
    d.server_version as "serverVersion", d.fingerprint, d.prerequisites, d.hosts,
    d.host_changes as "hostChanges", d.schema_comment as "schemaComment",
    d.restored_at as "restoredAt", d.restored_by as "restoredBy"
  from undrop.drops as d
  order by d.id`;

/** All entries of the archive, oldest first, not locked; none where there is no archive. */
export async function readEntries(session: Session): Promise<KeptEntry[]> {
  return (await hasArchive(session)) ? session.read<KeptEntry>(entriesSql) : [];
}
