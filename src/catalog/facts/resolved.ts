/**
 * What an expression means. The text of one names no operator where it says JOIN USING, CASE x WHEN, IS DISTINCT FROM,
 * NULLIF, IN (SELECT), or compares rows: the parser finds it by the search path, and writes its OID into the expression
 * tree. https://www.postgresql.org/docs/current/querytree.html; the fields of a tree are those of `primnodes.h` and
 * `parsenodes.h` in the sources of the server, with the same names from 14 to 18.
 */

/**
 * The fields that hold OIDs of what the parser has chosen, by the catalog of the objects.
 *
 * Left out is what the text says, or what follows from other facts: the types of constants (printed with them), of columns
 * (VAR; a join lists those too that its tables have got since), of parameters, and of what functions and operators give;
 * relations, sequences and constraints.
 */
const fields: Readonly<Record<string, readonly string[]>> = {
  pg_operator: [
    // OPEXPR, DISTINCTEXPR, NULLIFEXPR, SCALARARRAYOPEXPR
    'opno',
    // ROWCOMPAREEXPR
    'opnos',
    // GROUP BY, DISTINCT, ORDER BY, UNION
    'eqop',
    'sortop',
    // CYCLE
    'cycle_mark_neop',
  ],
  pg_proc: [
    // What is called for an operator, as it was when it was chosen.
    'opfuncid',
    // Functions, casts among them
    'funcid',
    'aggfnoid',
    'winfnoid',
    // RANGE BETWEEN
    'startInRangeFunc',
    'endInRangeFunc',
    // TABLESAMPLE
    'tsmhandler',
  ],
  // How rows are compared: ROWCOMPAREEXPR
  pg_opfamily: ['opfamilies'],
  // ON CONFLICT
  pg_opclass: ['inferopclass'],
  pg_type: [
    // Casts, which need not be printed
    'resulttype',
    // The type that all branches or elements are brought to
    'casetype',
    'coalescetype',
    'minmaxtype',
    'array_typeid',
    'row_typeid',
    'colTypes',
  ],
  pg_collation: [
    // What functions and operators go by
    'inputcollid',
    'inputcollids',
    // COLLATE
    'collOid',
    // Casts, and what is made of branches
    'resultcollid',
    'casecollid',
    'coalescecollid',
    'minmaxcollid',
    // UNION, RANGE BETWEEN, ON CONFLICT
    'colCollations',
    'inRangeColl',
    'infercollid',
  ],
};

const values = Object.entries(fields)
  .flatMap(([catalog, names]) =>
    names.map((name) => `('${name}', 'pg_catalog.${catalog}'::pg_catalog.regclass::oid)`),
  )
  .join(', ');

/**
 * The objects in an expression tree, in their order. A field is written as ` :opno 98`, or as ` :opnos (o 98 664)`; the
 * blanks of names are escaped, so that none can pass for a field.
 *
 * @param tree a column of the type `pg_node_tree`
 * @param name gives the name of one object, by SQL for its catalog and its OID
 * @param separator what stands between two names, as SQL
 */
export function resolvedSql(
  tree: string,
  name: (classid: string, objid: string) => string,
  separator: string,
): string {
  return /* sql */ `
    case when ${tree} is not null then (
      select pg_catalog.string_agg(
        case when f.value <> '(o' then ${name('f.classid', 'f.value::oid')}
        else (
          select pg_catalog.string_agg(${name('f.classid', 'n.oid::oid')}, ${separator} order by n.position)
          from pg_catalog.string_to_table(
            pg_catalog.split_part(pg_catalog.split_part(f.text, '(o ', 2), ')', 1), ' ') with ordinality as n (oid, position))
        end, ${separator} order by f.position)
      from (
        select k.classid, s.text, pg_catalog.rtrim(pg_catalog.split_part(s.text, ' ', 2), '})') as value, s.position
        from pg_catalog.string_to_table(${tree}::text, ' :') with ordinality as s (text, position)
        join (values ${values}) as k (name, classid) on k.name = pg_catalog.split_part(s.text, ' ', 1)
      ) as f
      where f.value not in ('0', '<>', '')
    ) end`;
}

const suffix = '.resolved';

/** Under which name it is a fact, beside the text of the expression. */
export function resolvedName(column: string): string {
  return `${column}${suffix}`;
}

export function isResolved(name: string): boolean {
  return name.endsWith(suffix);
}
