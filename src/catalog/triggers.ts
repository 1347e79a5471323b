import type { Session } from '../session.ts';
import { type Closure, membersIn } from './closure.ts';
import { addsTo, makes, type Piece } from './piece.ts';

interface TriggerRow {
  oid: number;
  sql: string;
  state: string | null;
}

// A constraint trigger is pointed at by its constraint, which is part of it.
const triggersSql = /* sql */ `
  select t.oid::bigint as oid,
    pg_catalog.pg_get_triggerdef(t.oid) as sql,
    case when t.tgenabled <> 'O' then pg_catalog.format('alter table only %I.%I %s trigger %I', n.nspname, c.relname,
      case t.tgenabled when 'D' then 'disable' when 'R' then 'enable replica' when 'A' then 'enable always' end,
      t.tgname)
    end as state
  from pg_catalog.pg_trigger as t
  join pg_catalog.pg_class as c on c.oid = t.tgrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where t.oid = any ($1) and not t.tgisinternal
  order by n.nspname, c.relname, t.tgname`;

/** Triggers that somebody made; those of foreign keys come with their constraint. */
export async function captureTriggers(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_trigger');
  const rows = await session.read<TriggerRow>(triggersSql, [[...members.keys()]]);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    if (member === undefined) return [];
    return [makes(member, 'trigger', [row.sql]), ...addsTo(member, 'mark', [row.state])];
  });
}
