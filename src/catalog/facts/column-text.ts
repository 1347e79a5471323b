import type { NormalColumn } from './normal-rows.ts';

/** Returns SQL for a value as text, in the format of `jsonb` but without the quotes around strings. */
export function textOf({ sql, plain }: NormalColumn): string {
  return plain === undefined || castable.has(plain)
    ? `(${sql})::text`
    : `pg_catalog.to_jsonb(${sql}) #>> '{}'`;
}

const castable = new Set([
  'boolean',
  'name',
  'text',
  '"char"',
  'smallint',
  'integer',
  'bigint',
  'oid',
  'xid',
]);
