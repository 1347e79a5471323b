/**
 * Names that PostgreSQL makes up of an OID differ after every restore: the number is replaced.
 */
export function withoutMadeUpNumbers(text: string): string {
  return /* sql */ `pg_catalog.regexp_replace(${text}::text,
    '((pg_toast|RI_ConstraintTrigger_[ac]|Unique_ConstraintTrigger|PK_ConstraintTrigger)_)[0-9]+', '\\1#', 'g')`;
}

/** The name of an object for comparison: its kind, and its name as SQL writes it. */
export function identitySql(classid: string, objid: string, objsubid: string): string {
  return /* sql */ `
    (select ${withoutMadeUpNumbers(`(i.type || ' ' || i.identity)`)}
     from pg_catalog.pg_identify_object(${classid}, ${objid}, ${objsubid}) as i)`;
}
