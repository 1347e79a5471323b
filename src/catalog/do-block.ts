const quotes = '$undrop$';

/**
 * SQL for a DO statement, with the code in dollar quotes, which are easy to read. If the code contains them, because a name
 * does, it is written as a literal.
 *
 * @param code SQL for the code
 */
export function doSql(code: string): string {
  return /* sql */ `(
    select case when pg_catalog.strpos(b.code, '${quotes}') > 0 then pg_catalog.format('do %L', b.code)
      else pg_catalog.concat('do ${quotes}', b.code, '${quotes}') end
    from (select ${code} as code) as b)`;
}
