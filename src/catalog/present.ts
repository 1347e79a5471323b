import type { Session } from '../session/session.ts';

const presentSql = /* sql */ `
  select t.name
  from pg_catalog.unnest($1::text[]) with ordinality as t (name, position)
  where pg_catalog.to_regclass(t.name) is not null
  order by t.position`;

/** Returns those of the qualified names that belong to an existing relation. */
export async function readPresent(session: Session, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return [];
  const rows = await session.read<{ name: string }>(presentSql, [names]);
  return rows.map(({ name }) => name);
}
