import { createHash } from 'node:crypto';
import type { Statement } from '../capture/capture.ts';
import { canonical } from '../capture/fingerprint.ts';
import type { Fact } from '../catalog/facts/facts.ts';
import type { KeptRows } from './kept-rows.ts';

/** The SHA-256 of a capture, hexadecimal. */
export function digestOf(
  statements: readonly Statement[],
  facts: readonly Fact[],
  rows: readonly KeptRows[],
): string {
  const hash = createHash('sha256');
  const described = statements.map(({ kind, identity, sql, moved }) =>
    moved === true ? [kind, identity, sql, true] : [kind, identity, sql],
  );
  hash.update(`[${JSON.stringify(described)},[`);
  // One by one: with many tables, the whole text would be long.
  for (const [index, fact] of facts.entries()) hash.update(`${index === 0 ? '' : ','}${canonical(fact)}`);
  const kept = rows.map(({ table, store, count, digest }) => [table, store, count, digest]);
  return hash.update(`],${JSON.stringify(kept)}]`).digest('hex');
}

/**
 * SQL: the checksum of the row `d` of `undrop.drops`, without the columns that a restore or giving up changes. Null columns are left
 * out, so that a column that a later format adds does not change it.
 */
export const headSql = /* sql */ `pg_catalog.encode(pg_catalog.sha256(pg_catalog.convert_to(
  pg_catalog.jsonb_strip_nulls(pg_catalog.to_jsonb(d)
    - array['digest', 'restored_at', 'restored_by', 'restored_oids', 'split_into', 'given_up_at', 'given_up_by']::text[])::text, 'UTF8')), 'hex')`;
