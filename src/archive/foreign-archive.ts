import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';

const tablesSql = /* sql */ `
  select pg_catalog.format('undrop.%I', c.relname) as name
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = 'undrop' and c.relkind = 'r'
    and (c.relname in ('identity', 'drops', 'statements', 'facts', 'rows', 'evidence', 'acceptances', 'backups', 'records')
      or c.relname ~ '^rows_[0-9]+_[0-9]+$')
  order by c.relname`;

// Null where the role may not read the sequence.
const behindSql = /* sql */ `
  select t.name, t.latest, pg_catalog.quote_literal(q.name) as sequence
  from (
    select 'undrop.drops' as name, pg_catalog.max(d.id) as latest from undrop.drops as d
    union all
    select 'undrop.backups', pg_catalog.max(b.id) from undrop.backups as b
  ) as t
  cross join lateral (select pg_catalog.pg_get_serial_sequence(t.name, 'id') as name) as q
  where pg_catalog.has_sequence_privilege(q.name, 'select,usage')
    and t.latest > coalesce(pg_catalog.pg_sequence_last_value(q.name::pg_catalog.regclass), 0)
  order by t.name`;

interface Behind {
  name: string;
  latest: number;
  sequence: string;
}

/**
 * Refuses an archive that was written in another database and came here by logical replication, which does not copy the
 * values of sequences: new entries would get the numbers of existing ones. Copies of the whole database and dumps have
 * these values.
 *
 * @throws UndropError `archive-foreign`
 */
export async function refuseReplicated(session: Session): Promise<void> {
  const behind = await session.read<Behind>(behindSql);
  if (behind.length === 0) return;
  const values = behind.map(({ sequence, latest }) => `select setval(${sequence}, ${latest})`);
  throw await foreign(session, {
    reason: behind
      .map(({ name, latest }) => `${name} has rows up to ${latest}, which its sequence did not number.`)
      .join('\n'),
    next: `If this database replaces the one that wrote the archive, such as after a switch-over, run: ${values.join('; ')}\n`,
  });
}

/** The error for an archive without its identity, such as one whose definitions were copied for logical replication. */
export function withoutIdentity(session: Session): Promise<UndropError> {
  return foreign(session, {
    reason: 'undrop.identity is empty: only definitions were copied here.',
    next: '',
  });
}

async function foreign(
  session: Session,
  { reason, next }: { reason: string; next: string },
): Promise<UndropError> {
  const tables = (await session.read<{ name: string }>(tablesSql)).map(({ name }) => name).join(', ');
  return new UndropError('archive-foreign', {
    subject: 'undrop',
    message: `The archive in ${session.database} belongs to another database.`,
    reason,
    next:
      `Nothing was changed. ${next}` +
      `To begin an archive of its own, remove the copy and run it again: drop table ${tables}`,
  });
}
