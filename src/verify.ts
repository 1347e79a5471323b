import type { Entry } from './archive.ts';
import { UndropError } from './errors.ts';
import { say } from './say.ts';
import type { Session } from './session.ts';

const presentSql = /* sql */ `
  select t.name
  from pg_catalog.unnest($1::text[]) with ordinality as t (name, position)
  where pg_catalog.to_regclass(t.name) is not null
  order by t.position`;

/** Those of the qualified names that stand for a relation. */
export async function readPresent(session: Session, names: readonly string[]): Promise<string[]> {
  const rows = await session.read<{ name: string }>(presentSql, [names]);
  return rows.map(({ name }) => name);
}

/**
 * `down` again, after a crash between the restore and Knex's ledger: nothing is left to do if the tables are there.
 *
 * @throws UndropError `archive-missing`
 */
export async function verifyRestored(session: Session, entry: Entry): Promise<void> {
  const present = await readPresent(
    session,
    entry.tables.map(({ sql }) => sql),
  );
  const absent = entry.tables.filter(({ sql }) => !present.includes(sql));
  if (absent.length === 0) {
    say(`${entry.migration}: already restored on ${entry.restoredAt} (entry ${entry.id}); nothing to do`);
    return;
  }
  const names = absent.map(({ written }) => written).join(', ');
  throw new UndropError('archive-missing', {
    subject: names,
    message: `${names} cannot be restored: the archive has no open entry for ${entry.migration}.`,
    reason: `Its entry ${entry.id} was restored on ${entry.restoredAt}, and the tables have gone since by other means.`,
    next: 'Restore them from a backup, or replay the DDL of the entry: npm run ddl, then restore --from-ddl.',
  });
}
