import type { Session } from '../../session/session.ts';
import { databaseObjectsSql, databaseRows, joined } from './database-rows.ts';
import { currentFacts, type FactsVersion, type NormalRows, normalRows } from './normal-rows.ts';
import { sequenceState } from './sequence-facts.ts';

export interface Digest {
  identity: string;
  digest: string;
}

/** Digests by identity, such as `table public.posts` or `table column public.posts.id`. */
export type Digests = Readonly<Record<string, string>>;

/**
 * Returns, for every user object, the first 12 hexadecimal digits of the SHA-256 over its facts. Objects that are
 * created with another one are included in its digest: its row type, the triggers of a key. The comment on a schema has
 * a digest of its own.
 *
 * Not included are the archive, temporary objects, objects of extensions, large objects, and user mappings and
 * subscriptions, which not every role may read.
 *
 * @throws UndropError `unsupported-server` if a catalog has an unknown expression column
 */
export async function readObjectDigests(session: Session, version?: FactsVersion): Promise<Digests> {
  return byIdentity(await readObjects(session, version));
}

/**
 * Returns the same, and for each sequence a second digest of its state, `sequence state public.posts_id_seq`. Requires
 * the privilege to read all sequences.
 *
 * @throws UndropError `unsupported-server` if a catalog has an unknown expression column
 */
export async function readFactDigests(session: Session, version?: FactsVersion): Promise<Digests> {
  const objects = await readObjects(session, version);
  return byIdentity([...objects, ...(await readSequenceStates(session, objects))]);
}

/** Returns the digests without those of sequence states, which change whenever the database is used. */
export function withoutStates(digests: Digests): Digests {
  return Object.fromEntries(
    Object.entries(digests).filter(([identity]) => !identity.startsWith(`${sequenceState} `)),
  );
}

/** Returns the digests of rows by the identities of their objects. */
export function byIdentity(digests: readonly Digest[]): Digests {
  return Object.fromEntries(digests.map(({ identity, digest }) => [identity, digest]));
}

async function readObjects(session: Session, version: FactsVersion = currentFacts): Promise<Digest[]> {
  const catalogs = await session.read<{ name: string }>(catalogsSql);
  const objects = databaseObjectsSql(new Set(catalogs.map(({ name }) => name)));
  const rows = (await normalRows(session, databaseRows, joined, version)).map(linesOf);
  return session.rehearse(async () => {
    await session.run(planning);
    return session.read<Digest>(digestsSql(objects, rows));
  });
}

const catalogsSql = /* sql */ `
  select c.relname as name
  from pg_catalog.pg_class as c
  where c.relnamespace = 'pg_catalog'::pg_catalog.regnamespace and c.relkind = 'r'
  order by c.relname`;

// The planner cannot estimate the number of rows of these joins, and a nested loop may take hours.
const planning = `set local enable_nestloop = off; set local work_mem = '64MB'`;

function linesOf({ catalog, identity, columns, from }: NormalRows): string {
  return /* sql */ `
    select ${identity} as identity, '${catalog}' || row(${columns.map(({ sql }) => sql).join(',\n')})::text as line
    from ${from}`;
}

function digestsSql(objects: string, rows: readonly string[]): string {
  const lines = `pg_catalog.string_agg(f.line, E'\\n' order by f.line collate "C")`;
  return /* sql */ `
    with ${objects}
    select f.identity, ${digestSql(lines)} as digest
    from (${rows.join('\nunion all\n')}) as f
    group by f.identity
    order by f.identity collate "C"`;
}

/** SQL: the first 12 hexadecimal digits of the SHA-256 of a text. */
export function digestSql(text: string): string {
  return /* sql */ `
    pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(
      pg_catalog.convert_to(${text}, pg_catalog.getdatabaseencoding())), 'hex'), 12)`;
}

/** Reads digests of sequence states from the sequences themselves: `pg_sequences` does not contain `is_called`. */
async function readSequenceStates(session: Session, objects: readonly Digest[]): Promise<Digest[]> {
  const names = objects.flatMap(({ identity }) => /^sequence (.*)$/s.exec(identity)?.[1] ?? []);
  const digests: Digest[] = [];
  for (let start = 0; start < names.length; start += batchSize) {
    const batch = names.slice(start, start + batchSize);
    const selects = batch.map(
      (name, index) => /* sql */ `
        select $${index + 1}::text as identity, ${digestSql(`s.last_value || ' ' || s.is_called`)} as digest
        from ${name} as s`,
    );
    const identities = batch.map((name) => `${sequenceState} ${name}`);
    // The rollback releases the locks, because the lock table of the server is limited.
    const read = () => session.read<Digest>(selects.join('\nunion all'), identities);
    digests.push(...(await session.rehearse(read)));
  }
  return digests;
}

const batchSize = 500;
