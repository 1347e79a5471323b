import type { Session } from '../../session/session.ts';
import { databaseObjectsSql, databaseRows, joined } from './database-rows.ts';
import { sequenceState } from './facts.ts';
import { currentFacts, type FactsVersion, type NormalRows, normalRows } from './normal-rows.ts';

interface Digest {
  identity: string;
  digest: string;
}

/** By identity, as `table public.posts` or `table column public.posts.id`. */
export type Digests = Readonly<Record<string, string>>;

/**
 * For every object of users the first 12 hexadecimal digits of the SHA-256 over its facts. What is made along with an
 * object counts as that object: its row type, a key's triggers. The comment on a schema has one of its own.
 *
 * Left out are the archive, temporary objects, what belongs to extensions, large objects, and user mappings and
 * subscriptions, which not everybody may read.
 *
 * @throws UndropError `unsupported-server` where a catalog has an expression column that nothing is known of
 */
export async function readObjectDigests(session: Session, version?: FactsVersion): Promise<Digests> {
  return byIdentity(await readObjects(session, version));
}

/**
 * The same, and a second one of each sequence, `sequence state public.posts_id_seq`, for what changes whenever it is
 * used. That takes the right to read it.
 *
 * @throws UndropError `unsupported-server` where a catalog has an expression column that nothing is known of
 */
export async function readFactDigests(session: Session, version?: FactsVersion): Promise<Digests> {
  const objects = await readObjects(session, version);
  return byIdentity([...objects, ...(await readSequenceStates(session, objects))]);
}

/** Without what the mere use of the database changes. */
export function withoutStates(digests: Digests): Digests {
  return Object.fromEntries(
    Object.entries(digests).filter(([identity]) => !identity.startsWith(`${sequenceState} `)),
  );
}

function byIdentity(digests: readonly Digest[]): Digests {
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

// How many rows the joined expressions have is not known beforehand, and one wrong guess takes hours.
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

function digestSql(text: string): string {
  return /* sql */ `
    pg_catalog.left(pg_catalog.encode(pg_catalog.sha256(
      pg_catalog.convert_to(${text}, pg_catalog.getdatabaseencoding())), 'hex'), 12)`;
}

/** The state of a sequence is a row of its own, in no catalog; `pg_sequences` does not say whether it was called. */
async function readSequenceStates(session: Session, objects: readonly Digest[]): Promise<Digest[]> {
  const names = objects.flatMap(({ identity }) => /^sequence (.*)$/s.exec(identity)?.[1] ?? []);
  const digests: Digest[] = [];
  for (let start = 0; start < names.length; start += atOnce) {
    const batch = names.slice(start, start + atOnce);
    const selects = batch.map(
      (name, index) => /* sql */ `
        select $${index + 1}::text as identity, ${digestSql(`s.last_value || ' ' || s.is_called`)} as digest
        from ${name} as s`,
    );
    const identities = batch.map((name) => `${sequenceState} ${name}`);
    // Going back lets go of the locks, for which the server has no endless room.
    const read = () => session.read<Digest>(selects.join('\nunion all'), identities);
    digests.push(...(await session.rehearse(read)));
  }
  return digests;
}

const atOnce = 500;
