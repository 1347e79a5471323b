const madeUp = '((pg_toast|RI_ConstraintTrigger_[ac]|Unique_ConstraintTrigger|PK_ConstraintTrigger)_)[0-9]+';

/**
 * Returns SQL that replaces the number in names that PostgreSQL generates from an OID, because it differs after every
 * restore.
 */
export function withoutMadeUpNumbers(text: string): string {
  return /* sql */ `pg_catalog.regexp_replace(${text}::text, '${madeUp}', '\\1#', 'g')`;
}

/** Does the same for a name in JavaScript. */
export function withoutMadeUpNumber(name: string): string {
  return name.replace(madeUpNumbers, '$1#');
}

const madeUpNumbers = new RegExp(madeUp, 'g');

/** The address of an object: expressions for its catalog, its OID, and the number of a column or 0. */
export type Address = readonly [classid: string, objid: string, objsubid: string];

/** Returns SQL for the name of an object in comparisons: its type and its identity. */
export function identitySql(classid: string, objid: string, objsubid: string): string {
  return /* sql */ `
    (select ${withoutMadeUpNumbers(`(i.type || ' ' || i.identity)`)}
     from pg_catalog.pg_identify_object(${classid}, ${objid}, ${objsubid}) as i)`;
}

/** Returns SQL for the name of a function without its arguments, as `create aggregate` accepts it. Null for OID 0. */
export function functionNameSql(oid: string): string {
  return /* sql */ `(
    select pg_catalog.format('%I.%I', f_n.nspname, f.proname)
    from pg_catalog.pg_proc as f
    join pg_catalog.pg_namespace as f_n on f_n.oid = f.pronamespace
    where f.oid = ${oid})`;
}

/** Returns SQL for the name of an operator without its arguments, as an option accepts it. Null for OID 0. */
export function operatorNameSql(oid: string): string {
  return /* sql */ `(
    select pg_catalog.format('operator(%I.%s)', q_n.nspname, q.oprname)
    from pg_catalog.pg_operator as q
    join pg_catalog.pg_namespace as q_n on q_n.oid = q.oprnamespace
    where q.oid = ${oid})`;
}
