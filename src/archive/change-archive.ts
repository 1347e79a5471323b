import { readRulesFor, unpublished } from '../catalog/unpublished.ts';
import type { Session } from '../session/session.ts';
import { lockArchive } from './lock-archive.ts';

// A table that references another one comes before it.
const tables = [
  'statements',
  'facts',
  'rows',
  'evidence',
  'acceptances',
  'drops',
  'records',
  'backups',
  'identity',
].map((name) => `undrop.${name}`);

/**
 * Does work that writes to the archive, without publishing it: a subscriber that lacks the tables of the archive would stop.
 * Where publications publish the schema `undrop`, other sessions cannot read the archive until the transaction ends.
 *
 * @throws UndropError `lock-timeout`
 */
export async function changeArchive<T>(session: Session, work: () => Promise<T>): Promise<T> {
  const isPublished = await lockIfPublished(session);
  return !isPublished || (await areListed(session)) ? work() : unpublished(session, tables, work);
}

/**
 * Locks the archive where publications publish the schema `undrop`. To be called before the archive is read:
 * `changeArchive` waits for sessions that have read it in their transaction.
 *
 * @returns whether they do
 * @throws UndropError `lock-timeout`
 */
export async function lockIfPublished(session: Session): Promise<boolean> {
  const isPublished = (await readRulesFor(session, 'undrop')).length > 0;
  if (isPublished) await lockArchive(session);
  return isPublished;
}

const listedSql = /* sql */ `
  select exists (
    select from pg_catalog.pg_publication_rel as r
    join pg_catalog.pg_class as c on c.oid = r.prrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = 'undrop' and 'undrop.' || c.relname = any ($1)) as listed`;

/** Whether a publication lists tables of the archive, which SET UNLOGGED rejects: whoever did that wants them replicated. */
async function areListed(session: Session): Promise<boolean> {
  const [row] = await session.read<{ listed: boolean }>(listedSql, [tables]);
  return row?.listed === true;
}
