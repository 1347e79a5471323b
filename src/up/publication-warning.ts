import { readRulesFor } from '../catalog/unpublished.ts';
import type { Session } from '../session/session.ts';

/**
 * A note where publications include every table of the archive. Its rows are not published, but a subscriber that reads the
 * list of published tables needs the tables. Undefined where there is no such publication.
 * https://www.postgresql.org/docs/current/logical-replication-restrictions.html
 */
export async function describePublished(session: Session): Promise<string | undefined> {
  const publications = await readRulesFor(session, 'undrop');
  if (publications.length === 0) return undefined;
  return (
    `publications include the archive (${publications.join(', ')}): its rows are not published, ` +
    'but create subscription and refresh publication need the tables of the schema undrop on the subscriber'
  );
}
