/**
 * The objects that an expression resolves to. The text of JOIN USING, CASE x WHEN, IS DISTINCT FROM, NULLIF, IN
 * (SELECT) and row comparisons names no operator: the parser looks it up in the search path, and stores its OID in the
 * expression tree. https://www.postgresql.org/docs/current/querytree.html; the fields of a tree are those of
 * `primnodes.h` and `parsenodes.h` in the sources of the server, with the same names from 14 to 18.
 */

/**
 * The fields that contain OIDs of objects that the parser has chosen, by the catalog of the objects.
 *
 * Not included are objects that the text names or that follow from other facts: the types of constants (printed with
 * them), of columns (VAR; a join also lists columns that were added to its tables later), of parameters, and of the
 * results of functions and operators; relations, sequences and constraints.
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
    // The function of an operator at the time when the expression was parsed
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
  // ROWCOMPAREEXPR
  pg_opfamily: ['opfamilies'],
  // ON CONFLICT
  pg_opclass: ['inferopclass'],
  pg_type: [
    // Casts, which may not be printed
    'resulttype',
    // The common type of all branches or elements
    'casetype',
    'coalescetype',
    'minmaxtype',
    'array_typeid',
    'row_typeid',
    'colTypes',
  ],
  pg_collation: [
    // Input collations of functions and operators
    'inputcollid',
    'inputcollids',
    // COLLATE
    'collOid',
    // Collations of casts and of results of branches
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

const catalogOf = new Map(
  Object.entries(fields).flatMap(([catalog, names]) => names.map((name) => [name, catalog] as const)),
);

/**
 * Returns the objects in an expression tree, in order, with the names of their catalogs and their OIDs. A field is written
 * as ` :opno 98` or ` :opnos (o 98 664)`. Spaces in names are escaped, so that no name can be taken for a field.
 */
export function objectsIn(tree: string): { catalog: string; oid: string }[] {
  return tree.split(' :').flatMap((field) => {
    const [name = ''] = field.split(' ', 1);
    const catalog = catalogOf.get(name);
    if (catalog === undefined) return [];
    const words = field.slice(name.length + 1).split(' ');
    const isList = words[0] === '(o';
    const end = words.findIndex((word) => word.includes(')'));
    const oids = (isList ? words.slice(1, end + 1) : words.slice(0, 1)).map((oid) =>
      oid.replace(/[)}]+$/, ''),
    );
    // A single 0 is no object; in a list, it keeps its place.
    return oids.filter((oid) => isList || /^[1-9]/.test(oid)).map((oid) => ({ catalog, oid }));
  });
}

function values(without: string | undefined): string {
  return Object.entries(fields)
    .filter(([catalog]) => catalog !== without)
    .flatMap(([catalog, names]) =>
      names.map((name) => `('${name}', 'pg_catalog.${catalog}'::pg_catalog.regclass::oid)`),
    )
    .join(', ');
}

/**
 * Returns SQL for the objects in an expression tree, in order, where the tree itself is not read.
 *
 * @param tree a column of the type `pg_node_tree`
 * @param name returns SQL for the name of an object, given SQL for its catalog and its OID
 * @param separator SQL for the separator between names
 * @param without a catalog whose objects are left out
 */
export function resolvedSql(
  tree: string,
  name: (classid: string, objid: string) => string,
  separator: string,
  without?: string,
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
        join (values ${values(without)}) as k (name, classid) on k.name = pg_catalog.split_part(s.text, ' ', 1)
      ) as f
      where f.value not in ('0', '<>', '')
    ) end`;
}
