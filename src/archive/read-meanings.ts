import { parseTableName, type TableName } from '../options/table-name.ts';
import type { Session } from '../session/session.ts';

/** What a table's name means in the schemas of a session. */
export interface Meaning {
  readonly written: string;
  /** What is there under the name, qualified and quoted. */
  readonly present: string | null;
  /** Where it would be. */
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

/** Looks names up as a migration does, whatever they stand for: unqualified ones in the search path, the first schema first. */
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

/** Whether the name means a table, or would mean it if that were there. */
export function isMeant(sql: string, { name, schemas, present }: Meaning): boolean {
  const table = parseTableName(sql);
  const schema = present === null ? undefined : parseTableName(present).schema;
  return (
    table.name === name &&
    (schema === undefined ? schemas.includes(table.schema ?? '') : schema === table.schema)
  );
}
