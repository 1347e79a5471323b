import { doSql } from '../do-block.ts';

/**
 * SQL: a statement that gives the clone of a foreign key its archived name, because the server chooses a new one. `k` is the
 * clone, a row of `constraints` in `constraints.ts`.
 */
export const renameCloneSql = doSql(/* sql */ `
    pg_catalog.format($rename$
declare
  clone pg_catalog.pg_constraint;
begin
  select k.* into strict clone
  from pg_catalog.pg_constraint as k
  join pg_catalog.pg_constraint as o on o.oid = k.conparentid
  where k.conrelid = %1$L::pg_catalog.regclass and k.confrelid = %2$s
    and o.conrelid = %3$L::pg_catalog.regclass and o.conname = %4$L;
  if clone.conname <> %5$L then
    if exists (select from pg_catalog.pg_constraint as k where k.conrelid = clone.conrelid and k.conname = %5$L) then
      -- another clone has it, whose turn is still to come
      execute pg_catalog.format('alter table only %%s rename constraint %%I to %%I', clone.conrelid::pg_catalog.regclass,
        %5$L, pg_catalog.format('undrop %%s', clone.oid));
    end if;
    execute pg_catalog.format('alter table only %%s rename constraint %%I to %%I',
      clone.conrelid::pg_catalog.regclass, clone.conname, %5$L);
  end if;
end $rename$,
      pg_catalog.format('%I.%I', k.nspname, k.relname),
      coalesce((select pg_catalog.quote_literal(i.identity) || '::pg_catalog.regclass'
        from pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, k.confrelid, 0) as i
        where k.confrelid <> 0), '0'),
      (select i.identity
       from pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, k.origin_relation, 0) as i),
      k.origin_name, k.conname)`);
