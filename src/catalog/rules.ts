import type { Session } from '../session.ts';
import { type Closure, membersIn } from './closure.ts';
import { addsTo, makes, type Piece } from './piece.ts';

interface RuleRow {
  oid: number;
  sql: string;
  state: string | null;
}

const rulesSql = /* sql */ `
  select r.oid::bigint as oid,
    pg_catalog.rtrim(pg_catalog.pg_get_ruledef(r.oid), ';') as sql,
    case when r.ev_enabled <> 'O' then pg_catalog.format('alter table %I.%I %s rule %I', n.nspname, c.relname,
      case r.ev_enabled when 'D' then 'disable' when 'R' then 'enable replica' when 'A' then 'enable always' end,
      r.rulename)
    end as state
  from pg_catalog.pg_rewrite as r
  join pg_catalog.pg_class as c on c.oid = r.ev_class
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where r.oid = any ($1) and r.ev_type <> '1'
  order by n.nspname, c.relname, r.rulename`;

/** Rules on tables and views; the one that makes a view comes with the view. */
export async function captureRules(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_rewrite');
  const rows = await session.read<RuleRow>(rulesSql, [[...members.keys()]]);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    if (member === undefined) return [];
    return [makes(member, 'rule', [row.sql]), ...addsTo(member, 'mark', [row.state])];
  });
}
