import type { Session } from '../session.ts';
import type { Closure, ObjectKey } from './closure.ts';

interface SchemasRow {
  key: ObjectKey;
  schemas: string[];
}

/** Catalogs with expressions that may hold operators: the OID of the object, and the columns. */
const trees: readonly (readonly [catalog: string, objectCatalog: string, oid: string, columns: string[]])[] =
  [
    ['pg_rewrite', 'pg_rewrite', 'oid', ['ev_action', 'ev_qual']],
    ['pg_policy', 'pg_policy', 'oid', ['polqual', 'polwithcheck']],
    ['pg_constraint', 'pg_constraint', 'oid', ['conbin']],
    ['pg_attrdef', 'pg_attrdef', 'oid', ['adbin']],
    ['pg_index', 'pg_class', 'indexrelid', ['indexprs', 'indpred']],
    ['pg_partitioned_table', 'pg_class', 'partrelid', ['partexprs']],
    ['pg_trigger', 'pg_trigger', 'oid', ['tgqual']],
    ['pg_proc', 'pg_proc', 'oid', ['prosqlbody', 'proargdefaults']],
    ['pg_type', 'pg_type', 'oid', ['typdefaultbin']],
    ['pg_statistic_ext', 'pg_statistic_ext', 'oid', ['stxexprs']],
  ];

// IS DISTINCT FROM, NULLIF, comparisons of rows, CASE x WHEN, JOIN USING, IN (SELECT)
const unprinted = String.raw`\{(DISTINCTEXPR|NULLIFEXPR|ROWCOMPARE|CASETESTEXPR)|:usingClause \(|:testexpr \{`;

const treesSql = trees
  .map(
    ([catalog, objectCatalog, oid, columns]) => /* sql */ `
      select o.classid, o.objid, o.schema
      from operators as o
      join pg_catalog.${catalog} as t on t.${oid} = o.objid
      where o.classid = 'pg_catalog.${objectCatalog}'::pg_catalog.regclass
        and (${columns.map((column) => `t.${column}::text ~ '${unprinted}'`).join(' or ')})`,
  )
  .join('\nunion\n');

// Built-in operators are found first wherever they are meant: what is left is what an object depends on.
const schemasSql = /* sql */ `
  with operators as (
    select distinct d.classid, d.objid, n.nspname as schema
    from unnest($1::oid[], $2::oid[]) as m (classid, objid)
    join pg_catalog.pg_depend as d on d.classid = m.classid and d.objid = m.objid
      and d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass
    join pg_catalog.pg_operator as o on o.oid = d.refobjid
    join pg_catalog.pg_namespace as n on n.oid = o.oprnamespace
    where n.nspname <> 'pg_catalog' and not pg_catalog.starts_with(n.nspname::text, 'pg_temp_')
  )
  select t.classid::bigint || '/' || t.objid::bigint as key,
    pg_catalog.array_agg(pg_catalog.quote_ident(t.schema) order by t.schema) as schemas
  from (${treesSql}) as t
  group by t.classid, t.objid
  order by t.classid, t.objid`;

/**
 * The schemas, quoted, in which the operators of expressions are found that do not print them, by object: these have to
 * be in the search path when the object is made again. Only objects that use other operators than built-in ones.
 */
export async function readOperatorSchemas(
  session: Session,
  { members }: Closure,
): Promise<Map<ObjectKey, readonly string[]>> {
  const rows = await session.read<SchemasRow>(schemasSql, [
    members.map((member) => member.classid),
    members.map((member) => member.objid),
  ]);
  return new Map(rows.map(({ key, schemas }) => [key, schemas]));
}
