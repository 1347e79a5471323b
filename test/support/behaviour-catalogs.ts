import type pg from 'pg';

export interface Relation {
  readonly name: string;
  /** See pg_class.relkind. */
  readonly kind: 'r' | 'p' | 'v' | 'm' | 'f';
  readonly columns: readonly Column[];
  /** The constants in its constraints, triggers, indexes, rules, policies, defaults and bound. */
  readonly literals: readonly string[];
}

export interface Column {
  readonly name: string;
  readonly type: string;
  /** See pg_type.typcategory. */
  readonly category: string;
  readonly generated: boolean;
}

/** What the probes of behaviour.ts are generated from. All names are quoted and qualified. */
export interface Catalogs {
  readonly relations: readonly Relation[];
  /** The roles that own objects, have privileges or are named in policies, and one that has what PUBLIC has. */
  readonly roles: readonly string[];
  /** Calls of functions without required arguments. */
  readonly functions: readonly string[];
  readonly domains: readonly string[];
  readonly domainLiterals: readonly string[];
}

// Objects of the database that neither the server nor an extension has made.
const ours = (alias: string, catalog: string, namespace: string) => /* sql */ `
  ${namespace} not in ('information_schema', 'undrop', 'oracle') and ${namespace} not like 'pg\\_%'
  and not exists (select from pg_depend as d
    where d.classid = '${catalog}'::regclass and d.objid = ${alias}.oid and d.deptype = 'e')`;

const relationsSql = /* sql */ `
  select c.oid, format('%I.%I', n.nspname, c.relname) as name, c.relkind as kind,
    coalesce((select json_agg(json_build_object('name', quote_ident(a.attname), 'type', format_type(a.atttypid, a.atttypmod),
        'category', t.typcategory, 'generated', a.attgenerated <> '') order by a.attnum)
      from pg_attribute as a join pg_type as t on t.oid = a.atttypid
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]') as columns
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f')
    -- Large rows take long to print, again for each probe.
    and coalesce(pg_total_relation_size(c.reltoastrelid), 0) < 2 ^ 20
    and ${ours('c', 'pg_class', 'n.nspname')}
  order by 2`;

const rolesSql = /* sql */ `
  select distinct r.rolname as name
  from pg_roles as r
  where not r.rolsuper and r.rolname not like 'pg\\_%' and exists (select from pg_shdepend as d
    where d.refclassid = 'pg_authid'::regclass and d.refobjid = r.oid
      and d.dbid = (select oid from pg_database where datname = current_database()))
  union select 'pg_monitor'
  order by 1`;

const functionsSql = /* sql */ `
  select format('%I.%I()', n.nspname, p.proname) as call
  from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace
  where p.pronargs = p.pronargdefaults and p.prokind = 'f' and ${ours('p', 'pg_proc', 'n.nspname')}
    and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)
  order by 1`;

const domainsSql = /* sql */ `
  select format_type(t.oid, null) as name
  from pg_type as t join pg_namespace as n on n.oid = t.typnamespace
  where t.typtype = 'd' and ${ours('t', 'pg_type', 'n.nspname')}
  order by 1`;

// The constants of their definitions, as text between quotes or as numbers.
const literalsSql = /* sql */ `
  with definitions (relation, text) as (
    select conrelid, pg_get_constraintdef(oid) from pg_constraint where oid >= 16384
    union all select tgrelid, pg_get_triggerdef(oid) from pg_trigger where oid >= 16384 and not tgisinternal
    union all select indrelid, pg_get_indexdef(indexrelid) from pg_index where indexrelid >= 16384
    union all select ev_class, pg_get_ruledef(oid) from pg_rewrite where oid >= 16384
    union all select polrelid, pg_get_expr(polqual, polrelid) from pg_policy
    union all select polrelid, pg_get_expr(polwithcheck, polrelid) from pg_policy
    union all select adrelid, pg_get_expr(adbin, adrelid) from pg_attrdef
    union all select oid, pg_get_expr(relpartbound, oid) from pg_class where relpartbound is not null)
  select distinct relation, quote_literal(coalesce(replace(m[1], '''''', ''''), m[2])) as literal
  from definitions, regexp_matches(text, '''((?:[^'']|'''')*)''(?!::regclass)|(?<![\\w."])(-?\\d+(?:\\.\\d+)?)(?![\\w."])', 'g') as m
  where length(m[1]) < 100 or m[2] is not null
  order by 2`;

export async function readCatalogs(client: pg.Client): Promise<Catalogs> {
  const read = async <Row>(sql: string): Promise<Row[]> => (await client.query(sql)).rows;
  const literals = await read<{ relation: number; literal: string }>(literalsSql);
  const literalsOf = (oid: number) =>
    literals.filter(({ relation }) => relation === oid).map(({ literal }) => literal);
  const relations = (await read<Omit<Relation, 'literals'> & { oid: number }>(relationsSql)).map(
    ({ oid, ...relation }) => ({ ...relation, literals: literalsOf(oid) }),
  );
  const roles = (await read<{ name: string }>(rolesSql)).map(({ name }) => name);
  const functions = (await read<{ call: string }>(functionsSql)).map(({ call }) => call);
  const domains = (await read<{ name: string }>(domainsSql)).map(({ name }) => name);
  return { relations, roles, functions, domains, domainLiterals: literalsOf(0) };
}

const sequencesSql = /* sql */ `
  select format('select %L as name, last_value::text, is_called from %1$s', format('%I.%I', n.nspname, c.relname)) as sql
  from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  where c.relkind = 'S' and n.nspname <> 'undrop'
  order by 1`;

/** Returns the states of all sequences as JSON, which a rollback does not undo. */
export async function readSequences(client: pg.Client): Promise<string> {
  const { rows: each } = await client.query<{ sql: string }>(sequencesSql);
  const { rows } =
    each.length === 0 ? { rows: [] } : await client.query(each.map(({ sql }) => sql).join(' union all '));
  return JSON.stringify(rows);
}
