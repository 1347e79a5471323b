import { identitySql } from '../catalog/identity.ts';
import type { Session } from '../session/session.ts';
import { ownersAmong, ownersIn } from './identities.ts';

/** Objects that did not exist at the time of the record. */
export interface AddedObjects {
  /** Objects that change how existing objects work, such as a trigger on an existing table. */
  readonly acting: readonly string[];
  readonly others: readonly string[];
}

// These kinds belong to another object, or apply to all objects of the database.
const parts =
  /^(?:trigger|policy|rule|index|statistics object|event trigger|default acl|cast|transform|domain constraint|comment on|publication relation|publication namespace|(?:table|view|materialized view|foreign table|composite type) (?:column|constraint)) /;

const comment = 'comment on ';

/**
 * Separates added objects that change existing ones from the others.
 *
 * @param existing the identities of the objects that existed before
 */
export async function separateAdded(
  session: Session,
  added: readonly string[],
  existing: readonly string[],
): Promise<AddedObjects> {
  if (added.length === 0) return { acting: [], others: [] };
  const names = ownersAmong(existing);
  const rows = await session.read<{ identity: string; owner: string | null }>(ownersSql);
  const owners = new Map(rows.map(({ identity, owner }) => [identity, owner]));
  const known = new Set(existing);
  const acts = (identity: string) => {
    const owner = owners.get(identity);
    if (owner !== undefined) return owner === null || names.has(owner) || known.has(owner);
    if (!parts.test(identity)) return false;
    if (identity.startsWith(comment)) return known.has(identity.slice(comment.length));
    const possible = ownersIn(identity);
    return possible.length === 0 || possible.some((name) => names.has(name));
  };
  return { acting: added.filter(acts), others: added.filter((identity) => !acts(identity)) };
}

const nameSql = (oid: string) => /* sql */ `(
  select pg_catalog.format('%I.%I', n.nspname, c.relname)
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where c.oid = ${oid})`;

// Objects whose identity does not name the object that they belong to. Null: all objects of the database, or the rights of
// the owner of a function.
const ownersSql = /* sql */ `
  select 'index ' || ${nameSql('i.indexrelid')} as identity, ${nameSql('i.indrelid')} as owner
  from pg_catalog.pg_index as i where i.indrelid >= 16384
  union all
  select ${identitySql('h.tableoid', 'h.oid', '0')}, ${nameSql('h.stxrelid')}
  from pg_catalog.pg_statistic_ext as h
  union all
  select ${identitySql(`'pg_catalog.pg_class'::pg_catalog.regclass`, 'h.inhrelid', '0')}, ${nameSql('h.inhparent')}
  from pg_catalog.pg_inherits as h
  join pg_catalog.pg_class as c on c.oid = h.inhrelid and c.relkind not in ('i', 'I')
  union all
  select ${identitySql('m.tableoid', 'm.oid', '0')}, ${nameSql('m.prrelid')}
  from pg_catalog.pg_publication_rel as m
  union all
  select ${identitySql('f.tableoid', 'f.oid', '0')}, 'schema ' || pg_catalog.quote_ident(n.nspname)
  from pg_catalog.pg_default_acl as f
  left join pg_catalog.pg_namespace as n on n.oid = f.defaclnamespace
  union all
  select ${identitySql('u.tableoid', 'u.oid', '0')}, null
  from pg_catalog.pg_publication as u where u.puballtables
  union all
  select ${identitySql('p.tableoid', 'p.oid', '0')}, null
  from pg_catalog.pg_proc as p where p.prosecdef and p.oid >= 16384`;
