import type { Session } from '../../session/session.ts';
import { type Closure, membersIn, readAbout } from '../closure.ts';
import { doSql } from '../do-block.ts';
import { addsTo, type Piece } from '../piece.ts';

interface KeyTriggerRow {
  oid: number;
  sql: string;
}

// Their names contain an OID, so they are found by their key, their function and their type.
// https://www.postgresql.org/docs/current/sql-altertable.html (DISABLE TRIGGER ALL; only superusers may)
const keyTriggersSql = /* sql */ `
  select t.oid::bigint as oid,
    ${doSql(/* sql */ `
    pg_catalog.format($state$
begin
  execute (
    select pg_catalog.format('alter table only %%s %1$s trigger %%I', t.tgrelid::pg_catalog.regclass, t.tgname)
    from pg_catalog.pg_trigger as t
    join pg_catalog.pg_constraint as k on k.oid = t.tgconstraint
    where t.tgrelid = %2$L::pg_catalog.regclass and k.conrelid = %3$L::pg_catalog.regclass and k.conname = %4$L
      and t.tgfoid = %5$L::pg_catalog.regproc and t.tgtype = %6$s);
end $state$,
      case t.tgenabled when 'D' then 'disable' when 'R' then 'enable replica' when 'A' then 'enable always' end,
      t.tgrelid::pg_catalog.regclass, k.conrelid::pg_catalog.regclass, k.conname,
      t.tgfoid::pg_catalog.regproc, t.tgtype)`)} as sql
  from pg_catalog.pg_trigger as t
  join pg_catalog.pg_constraint as k on k.oid = t.tgconstraint
  where t.oid = any ($1) and t.tgisinternal and k.contype = 'f' and t.tgenabled <> 'O'
  order by k.conrelid, k.conname, t.tgrelid, t.tgtype`;

/** Captures the states of foreign-key triggers that are not in their default state. */
export async function captureKeyTriggers(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_trigger');
  const rows = await readAbout<KeyTriggerRow>(session, keyTriggersSql, members);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    return member === undefined ? [] : addsTo(member, 'mark', [row.sql]);
  });
}
