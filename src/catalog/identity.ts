const madeUp = '((pg_toast|RI_ConstraintTrigger_[ac]|Unique_ConstraintTrigger|PK_ConstraintTrigger)_)[0-9]+';

/**
 * Names that PostgreSQL makes up of an OID differ after every restore: the number is replaced.
 */
export function withoutMadeUpNumbers(text: string): string {
  return /* sql */ `pg_catalog.regexp_replace(${text}::text, '${madeUp}', '\\1#', 'g')`;
}

/** The same of a name that has been read. */
export function withoutMadeUpNumber(name: string): string {
  return name.replace(madeUpNumbers, '$1#');
}

const madeUpNumbers = new RegExp(madeUp, 'g');

/** Where an object is: expressions for its catalog, its OID, and the number of a column, or 0. */
export type Address = readonly [classid: string, objid: string, objsubid: string];

/** The name of an object for comparison: its kind, and its name as SQL writes it. */
export function identitySql(classid: string, objid: string, objsubid: string): string {
  return /* sql */ `
    (select ${withoutMadeUpNumbers(`(i.type || ' ' || i.identity)`)}
     from pg_catalog.pg_identify_object(${classid}, ${objid}, ${objsubid}) as i)`;
}

/** The name of a function as `create aggregate` and the like take it: without its arguments. Null for none. */
export function functionNameSql(oid: string): string {
  return /* sql */ `(
    select pg_catalog.format('%I.%I', f_n.nspname, f.proname)
    from pg_catalog.pg_proc as f
    join pg_catalog.pg_namespace as f_n on f_n.oid = f.pronamespace
    where f.oid = ${oid})`;
}

/** The name of an operator as an option takes it, without its arguments. Null for none. */
export function operatorNameSql(oid: string): string {
  return /* sql */ `(
    select pg_catalog.format('operator(%I.%s)', q_n.nspname, q.oprname)
    from pg_catalog.pg_operator as q
    join pg_catalog.pg_namespace as q_n on q_n.oid = q.oprnamespace
    where q.oid = ${oid})`;
}
