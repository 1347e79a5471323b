import type { Session } from '../../session/session.ts';
import { type Closure, membersIn, readAbout } from '../closure.ts';
import { addsTo, makes, type Piece } from '../piece.ts';

interface RuleRow {
  oid: number;
  sql: string;
  rename: string | null;
  state: string | null;
}

const rulesSql = /* sql */ `
  select r.oid::bigint as oid,
    case when r.rulename <> '_RETURN' then pg_catalog.rtrim(pg_catalog.pg_get_ruledef(r.oid), ';')
      else 'CREATE RULE "undrop"' || pg_catalog.substr(pg_catalog.rtrim(pg_catalog.pg_get_ruledef(r.oid), ';'),
        pg_catalog.length('CREATE RULE "_RETURN"') + 1)
    end as sql,
    -- a rule may be renamed to _RETURN, but not created with that name
    case when r.rulename = '_RETURN' then
      pg_catalog.format('alter rule undrop on %I.%I rename to "_RETURN"', n.nspname, c.relname)
    end as rename,
    case when r.ev_enabled <> 'O' then pg_catalog.format('alter table %I.%I %s rule %I', n.nspname, c.relname,
      case r.ev_enabled when 'D' then 'disable' when 'R' then 'enable replica' when 'A' then 'enable always' end,
      r.rulename)
    end as state
  from pg_catalog.pg_rewrite as r
  join pg_catalog.pg_class as c on c.oid = r.ev_class
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  where r.oid = any ($1) and r.ev_type <> '1'
  order by n.nspname, c.relname, r.rulename`;

/** Captures rules on tables and views, except the rule of a view's query, which is created with the view. */
export async function captureRules(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_rewrite');
  const rows = await readAbout<RuleRow>(session, rulesSql, members);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    if (member === undefined) return [];
    return [makes(member, 'rule', [row.sql, row.rename]), ...addsTo(member, 'mark', [row.state])];
  });
}
