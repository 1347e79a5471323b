import type { Session } from '../../session/session.ts';
import { type Closure, membersIn, readAbout } from '../closure.ts';
import { functionNameSql, operatorNameSql } from '../identity.ts';
import { makes, type Piece } from '../piece.ts';
import { routineSql } from './routines.ts';

interface AggregateRow {
  oid: number;
  name: string;
  arguments: string;
  options: string;
  owner: string;
}

const modify = (column: string) => /* sql */ `
  case ${column} when 'r' then 'read_only' when 's' then 'shareable' when 'w' then 'read_write' end`;

// PostgreSQL prints the `order by` of an ordered-set aggregate with its arguments. finalfunc_modify is written even
// without a final function: the catalog contains it, and its default depends on the kind of aggregate.
// https://www.postgresql.org/docs/current/catalog-pg-aggregate.html
const aggregatesSql = /* sql */ `
  select p.oid::bigint as oid,
    pg_catalog.format('%I.%I', n.nspname, p.proname) as name,
    coalesce(nullif(pg_catalog.pg_get_function_arguments(p.oid), ''), '*') as arguments,
    pg_catalog.concat_ws(E',\\n  ',
      'sfunc = ' || ${functionNameSql('g.aggtransfn')},
      'stype = ' || pg_catalog.format_type(g.aggtranstype, null),
      'sspace = ' || nullif(g.aggtransspace, 0),
      'finalfunc = ' || ${functionNameSql('g.aggfinalfn')},
      case when g.aggfinalextra then 'finalfunc_extra' end,
      'finalfunc_modify = ' || ${modify('g.aggfinalmodify')},
      'combinefunc = ' || ${functionNameSql('g.aggcombinefn')},
      'serialfunc = ' || ${functionNameSql('g.aggserialfn')},
      'deserialfunc = ' || ${functionNameSql('g.aggdeserialfn')},
      'initcond = ' || pg_catalog.quote_literal(g.agginitval),
      'msfunc = ' || ${functionNameSql('g.aggmtransfn')},
      'minvfunc = ' || ${functionNameSql('g.aggminvtransfn')},
      'mstype = ' || pg_catalog.format_type(nullif(g.aggmtranstype, 0), null),
      'msspace = ' || nullif(g.aggmtransspace, 0),
      'mfinalfunc = ' || ${functionNameSql('g.aggmfinalfn')},
      case when g.aggmfinalextra then 'mfinalfunc_extra' end,
      'mfinalfunc_modify = ' || ${modify('g.aggmfinalmodify')},
      'minitcond = ' || pg_catalog.quote_literal(g.aggminitval),
      'sortop = ' || ${operatorNameSql('g.aggsortop')},
      'parallel = ' || case p.proparallel when 's' then 'safe' when 'r' then 'restricted' when 'u' then 'unsafe' end,
      case when g.aggkind = 'h' then 'hypothetical' end
    ) as options,
    pg_catalog.format('alter %s owner to %I', ${routineSql('p')}, pg_catalog.pg_get_userbyid(p.proowner)) as owner
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
  join pg_catalog.pg_aggregate as g on g.aggfnoid = p.oid
  where p.oid = any ($1)
  order by n.nspname, p.proname, p.oid`;

/** Captures aggregates: plain, moving, ordered-set and hypothetical-set ones. */
export async function captureAggregates(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_proc');
  const rows = await readAbout<AggregateRow>(session, aggregatesSql, members);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    if (member === undefined) return [];
    const create = `create aggregate ${row.name}(${row.arguments}) (\n  ${row.options}\n)`;
    return [makes(member, 'routine', [create, row.owner])];
  });
}
