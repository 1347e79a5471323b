import type pg from 'pg';

// All catalog columns that contain expressions, with SQL that identifies the row.
const treesSql = /* sql */ `
  select i.type || ' ' || i.identity as object, t.tree
  from (
    select d.tableoid, d.oid, d.adbin::text as tree from pg_attrdef as d
    union all select k.tableoid, k.oid, k.conbin::text from pg_constraint as k
    union all select 'pg_class'::regclass, x.indexrelid, concat(x.indexprs::text, ' ', x.indpred::text) from pg_index as x
    union all select 'pg_class'::regclass, p.partrelid, p.partexprs::text from pg_partitioned_table as p
    union all select p.tableoid, p.oid, concat(p.polqual::text, ' ', p.polwithcheck::text) from pg_policy as p
    union all select f.tableoid, f.oid, concat(f.prosqlbody::text, ' ', f.proargdefaults::text) from pg_proc as f
    union all select r.tableoid, r.oid, concat(r.ev_action::text, ' ', r.ev_qual::text) from pg_rewrite as r
    union all select s.tableoid, s.oid, s.stxexprs::text from pg_statistic_ext as s
    union all select g.tableoid, g.oid, g.tgqual::text from pg_trigger as g
    union all select y.tableoid, y.oid, y.typdefaultbin::text from pg_type as y
  ) as t
  cross join lateral pg_identify_object(t.tableoid, t.oid, 0) as i
  where t.oid >= 16384 and t.tree ~ ':(opno|opnos|eqop|sortop) ' and coalesce(i.schema, '') <> 'undrop'
  order by 1, 2`;

const namesSql = `
  select o.oid::text, o.oid::regoperator::text as name from pg_operator as o where o.oid = any ($1::oid[])`;

/** Returns the operators in all user expressions, in order, by object, each with its OID. */
export async function readOperators(client: pg.Client): Promise<Record<string, string[]>> {
  const { rows } = await client.query<{ object: string; tree: string }>(treesSql);
  const found = rows.map(({ object, tree }): [string, string[]] => [object, operatorsIn(tree)]);
  const all = new Set(found.flatMap(([, oids]) => oids));
  const named = await client.query<{ oid: string; name: string }>(namesSql, [[...all]]);
  const names = new Map(named.rows.map(({ oid, name }) => [oid, `${name} ${oid}`]));
  return Object.fromEntries(
    found.map(([object, oids]) => [object, oids.map((oid) => names.get(oid) ?? oid)]),
  );
}

/** Spaces in names are escaped in a tree, so that no name can be taken for a field. */
function operatorsIn(tree: string): string[] {
  const fields = [...tree.matchAll(/(?<= ):(?:opno|opnos|eqop|sortop) (?:\(o )?([\d ]+)/g)];
  return fields.flatMap(([, oids = '']) => oids.trim().split(' ')).filter((oid) => oid !== '0');
}
