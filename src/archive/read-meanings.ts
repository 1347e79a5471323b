import { parseTableName, type TableName } from '../options/table-name.ts';
import type { Session } from '../session/session.ts';

/** The relation that a name resolves to in a session. */
export interface Meaning {
  readonly written: string;
  /** The relation that exists under the name, qualified and quoted. */
  readonly present: string | null;
  /** The schemas that are searched for it. */
  readonly schemas: readonly string[];
  readonly name: string;
}

const presentSql = /* sql */ `
  select (
    select pg_catalog.format('%I.%I', n.nspname, c.relname)
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where c.relname = w.name and n.nspname = any (w.schemas)
    order by pg_catalog.array_position(w.schemas, n.nspname::text)
    limit 1) as present
  from pg_catalog.jsonb_to_recordset($1::jsonb) as w (position int, name text, schemas text[])
  order by w.position`;

/**
 * Resolves names as a migration does, to relations of any kind. Unqualified names are searched along the search path.
 */
export async function readMeanings(session: Session, names: readonly TableName[]): Promise<Meaning[]> {
  const wanted = names.map(({ name, schema }, position) => ({
    position,
    name,
    schemas: schema === undefined ? session.schemas : [schema],
  }));
  const found = await session.read<{ present: string | null }>(presentSql, [JSON.stringify(wanted)]);
  return names.map(({ written }, index) => ({
    written,
    name: wanted[index]?.name ?? '',
    schemas: wanted[index]?.schemas ?? [],
    present: found[index]?.present ?? null,
  }));
}

/** Whether the name resolves to the table, or would if the table existed. */
export function isMeant(sql: string, { name, schemas, present }: Meaning): boolean {
  const table = parseTableName(sql);
  const schema = present === null ? undefined : parseTableName(present).schema;
  return (
    table.name === name &&
    (schema === undefined ? schemas.includes(table.schema ?? '') : schema === table.schema)
  );
}
