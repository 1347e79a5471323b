import type { Session } from '../session/session.ts';

const publicationsSql = /* sql */ `
  select pg_catalog.quote_ident(p.pubname) as name
  from pg_catalog.pg_publication as p
  where p.puballtables
  order by p.pubname`;

/**
 * What is to be known where the archive, whose tables are tables like others, goes to subscribers too: one that lacks
 * them stops. Undefined where it does not.
 * https://www.postgresql.org/docs/current/logical-replication-restrictions.html
 */
export async function describePublished(session: Session): Promise<string | undefined> {
  const publications = await session.read<{ name: string }>(publicationsSql, []);
  if (publications.length === 0) return undefined;
  const names = publications.map(({ name }) => name).join(', ');
  return `the archive is published for all tables by ${names}: a subscriber without the schema undrop stops`;
}
