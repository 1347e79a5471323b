import type { Session } from '../session/session.ts';

const publicationsSql = /* sql */ `
  select pg_catalog.quote_ident(p.pubname) as name
  from pg_catalog.pg_publication as p
  where p.puballtables
  order by p.pubname`;

/**
 * A warning where a FOR ALL TABLES publication includes the tables of the archive: replication fails on a subscriber
 * that does not have them. Undefined where there is no such publication.
 * https://www.postgresql.org/docs/current/logical-replication-restrictions.html
 */
export async function describePublished(session: Session): Promise<string | undefined> {
  const publications = await session.read<{ name: string }>(publicationsSql);
  if (publications.length === 0) return undefined;
  const names = publications.map(({ name }) => name).join(', ');
  return `publications for all tables include the archive (${names}): replication stops on a subscriber without the schema undrop`;
}
