import type { Session } from '../../session/session.ts';
import { type Closure, membersIn, type ObjectKey, readAbout } from '../closure.ts';
import { addsTo, makes, type Piece } from '../piece.ts';

interface TriggerRow {
  oid: number;
  /** Null for a partition's clone of its parent's trigger. */
  create: string | null;
  needs: ObjectKey[];
  state: string;
  /**
   * Whether its state is the one that it is created with: the default, or that of the trigger that it is a clone of.
   */
  asMade: boolean;
}

// Attached partitions get clones of the row triggers of their parent. Before 15, clones are internal, like the triggers
// of foreign keys, which are created with their constraint.
const triggersSql = /* sql */ `
  select t.oid::bigint as oid,
    case when t.tgparentid = 0 then pg_catalog.pg_get_triggerdef(t.oid) end as create,
    array(
      select h.tableoid::bigint || '/' || h.inhrelid::bigint
      from pg_catalog.pg_inherits as h where h.inhparent = t.tgrelid
      union all
      select h.tableoid::bigint || '/' || h.inhrelid::bigint
      from pg_catalog.pg_inherits as h where h.inhrelid = t.tgrelid and t.tgparentid <> 0
      union all
      select t.tableoid::bigint || '/' || t.tgparentid::bigint where t.tgparentid <> 0
    ) as needs,
    pg_catalog.format('alter table only %I.%I %s trigger %I', n.nspname, c.relname,
      case t.tgenabled when 'D' then 'disable' when 'R' then 'enable replica' when 'A' then 'enable always'
        else 'enable' end,
      t.tgname) as state,
    t.tgenabled = case when t.tgparentid in (select pg_catalog.unnest($1::oid[])) or p.oid is null then 'O' else p.tgenabled end as "asMade"
  from pg_catalog.pg_trigger as t
  join pg_catalog.pg_class as c on c.oid = t.tgrelid
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  left join pg_catalog.pg_trigger as p on p.oid = t.tgparentid
  left join pg_catalog.pg_constraint as k on k.oid = t.tgconstraint
  where t.oid = any ($1) and (not t.tgisinternal or t.tgparentid <> 0 and k.contype is distinct from 'f')
  order by n.nspname, c.relname, t.tgname`;

/** Captures triggers, except those of foreign keys, which are created with their constraint. */
export async function captureTriggers(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_trigger');
  const rows = await readAbout<TriggerRow>(session, triggersSql, members);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    if (member === undefined) return [];
    const trigger = makes(member, 'trigger', [row.create]);
    return [{ ...trigger, needs: row.needs }, ...addsTo(member, 'mark', [row.asMade ? null : row.state])];
  });
}
