import { UndropError } from '../errors.ts';
import type { Session } from '../session/session.ts';
import { list } from '../text/units.ts';

// Knex may keep its migrations table in this schema before there is an archive. Its name is configurable, its columns are
// not.
const foreignSql = /* sql */ `
  select pg_catalog.format('undrop.%I', c.relname) as name
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = 'undrop' and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and not exists (
      select from pg_catalog.pg_attribute as a
      where a.attrelid = c.oid and a.attname in ('migration_time', 'is_locked'))
  order by c.relname`;

/**
 * Checks that the schema `undrop`, which contains no archive, contains nothing else.
 *
 * @throws UndropError `name-taken`
 */
export async function refuseForeignSchema(session: Session): Promise<void> {
  const names = (await session.read<{ name: string }>(foreignSql, [])).map(({ name }) => name);
  if (names.length === 0) return;
  throw new UndropError('name-taken', {
    subject: 'undrop',
    message: `The schema undrop in ${session.database} exists, but was not created by knex-undrop.`,
    reason: `It contains ${list(names, 5)}.`,
    next: 'Nothing was changed. The archive needs this name. Rename the schema: alter schema undrop rename to <another name>',
  });
}
