import type { Session } from '../session/session.ts';
import type { Closure, ObjectKey } from './closure.ts';

/** An object whose expressions use operators that their text does not name. */
export interface Unprinted {
  readonly key: ObjectKey;
  readonly identity: string;
  /** The schemas of its operators, quoted. */
  readonly schemas: readonly string[];
  /** The OIDs of its operators, without built-in ones. */
  readonly operators: readonly number[];
}

/**
 * Catalogs with expressions that may contain operators, with the column of the object's OID and those of the
 * expressions.
 */
const trees: readonly (readonly [catalog: string, objectCatalog: string, oid: string, columns: string[]])[] =
  [
    ['pg_rewrite', 'pg_rewrite', 'oid', ['ev_action', 'ev_qual']],
    ['pg_policy', 'pg_policy', 'oid', ['polqual', 'polwithcheck']],
    ['pg_constraint', 'pg_constraint', 'oid', ['conbin']],
    ['pg_attrdef', 'pg_attrdef', 'oid', ['adbin']],
    // Until 14, the dependencies of a generation expression are those of the column.
    ['pg_attrdef', 'pg_class', 'adrelid', ['adbin']],
    ['pg_index', 'pg_class', 'indexrelid', ['indexprs', 'indpred']],
    ['pg_partitioned_table', 'pg_class', 'partrelid', ['partexprs']],
    ['pg_trigger', 'pg_trigger', 'oid', ['tgqual']],
    ['pg_proc', 'pg_proc', 'oid', ['prosqlbody', 'proargdefaults']],
    ['pg_type', 'pg_type', 'oid', ['typdefaultbin']],
    ['pg_statistic_ext', 'pg_statistic_ext', 'oid', ['stxexprs']],
  ];

// IS DISTINCT FROM, NULLIF, comparisons of rows, CASE x WHEN, JOIN USING, IN (SELECT)
const marks = String.raw`\{(DISTINCTEXPR|NULLIFEXPR|ROWCOMPARE|CASETESTEXPR)|:usingClause \(|:testexpr \{`;

const treesSql = trees
  .map(
    ([catalog, objectCatalog, oid, columns]) => /* sql */ `
      select o.classid, o.objid, o.schema, o.oid
      from operators as o
      join pg_catalog.${catalog} as t on t.${oid} = o.objid
      where o.classid = 'pg_catalog.${objectCatalog}'::pg_catalog.regclass
        and (${columns.map((column) => `t.${column}::text ~ '${marks}'`).join(' or ')})`,
  )
  .join('\nunion\n');

// Built-in operators are always found first. Dependencies on other operators are in pg_depend.
const unprintedSql = /* sql */ `
  with operators as (
    select distinct d.classid, d.objid, n.nspname as schema, o.oid
    from unnest($1::oid[], $2::oid[]) as m (classid, objid)
    join pg_catalog.pg_depend as d on d.classid = m.classid and d.objid = m.objid
      and d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass
    join pg_catalog.pg_operator as o on o.oid = d.refobjid
    join pg_catalog.pg_namespace as n on n.oid = o.oprnamespace
    where n.nspname <> 'pg_catalog' and not pg_catalog.starts_with(n.nspname::text, 'pg_temp_')
  )
  select t.classid::bigint || '/' || t.objid::bigint as key, i.type || ' ' || i.identity as identity,
    pg_catalog.array_agg(distinct pg_catalog.quote_ident(t.schema)) as schemas,
    pg_catalog.array_agg(distinct t.oid::bigint) as operators
  from (${treesSql}) as t
  cross join lateral pg_catalog.pg_identify_object(t.classid, t.objid, 0) as i
  group by t.classid, t.objid, i.type, i.identity
  order by i.type, i.identity`;

/**
 * Reads the objects of a closure whose expressions use operators that are not built in and that the text does not name.
 * The schemas of these operators must be in the search path when the object is recreated.
 */
export async function readUnprinted(session: Session, closure: Closure): Promise<Unprinted[]> {
  const members = closure.members.filter(({ hasOperators }) => hasOperators);
  if (members.length === 0) return [];
  return session.read<Unprinted>(unprintedSql, [
    members.map((member) => member.classid),
    members.map((member) => member.objid),
  ]);
}
