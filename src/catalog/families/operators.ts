import type { Session } from '../../session/session.ts';
import { type Closure, keyOf, membersIn, readAbout } from '../closure.ts';
import { functionNameSql, operatorNameSql } from '../identity.ts';
import { makes, type Piece } from '../piece.ts';

interface OperatorRow {
  classid: number;
  oid: number;
  /** Null for a shell operator, which is created by the operator that names it. */
  create: string | null;
  owner: string;
  /** The operators that name it as their commutator or negator. */
  namedBy: number[];
}

// If two operators name each other, creating the first one adds a shell operator (a row without a function) for the
// second one, which is then filled in. A shell operator that was never filled in stays one.
// https://www.postgresql.org/docs/current/sql-createoperator.html
const operatorsSql = /* sql */ `
  select o.tableoid::bigint as classid, o.oid::bigint as oid,
    case when o.oprcode <> 0 then pg_catalog.format(E'create operator %I.%s (\\n  %s\\n)', n.nspname, o.oprname,
      pg_catalog.concat_ws(E',\\n  ',
        'function = ' || ${functionNameSql('o.oprcode')},
        'leftarg = ' || pg_catalog.format_type(nullif(o.oprleft, 0), null),
        'rightarg = ' || pg_catalog.format_type(nullif(o.oprright, 0), null),
        'commutator = ' || ${operatorNameSql('o.oprcom')},
        'negator = ' || ${operatorNameSql('o.oprnegate')},
        'restrict = ' || ${functionNameSql('o.oprrest')},
        'join = ' || ${functionNameSql('o.oprjoin')},
        case when o.oprcanhash then 'hashes' end,
        case when o.oprcanmerge then 'merges' end))
    end as create,
    pg_catalog.format('alter operator %s owner to %I', i.identity, pg_catalog.pg_get_userbyid(o.oprowner)) as owner,
    array(
      select r.oid::bigint from pg_catalog.pg_operator as r
      where r.oid = any ($1) and r.oid <> o.oid and o.oid in (r.oprcom, r.oprnegate)) as "namedBy"
  from pg_catalog.pg_operator as o
  join pg_catalog.pg_namespace as n on n.oid = o.oprnamespace
  cross join lateral pg_catalog.pg_identify_object(o.tableoid, o.oid, 0) as i
  where o.oid = any ($1)
  order by i.identity`;

/** Captures operators. */
export async function captureOperators(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_operator');
  const rows = await readAbout<OperatorRow>(session, operatorsSql, members);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    if (member === undefined) return [];
    const piece = makes(member, 'operator', [row.create, row.owner]);
    if (row.create !== null) return [piece];
    return [{ ...piece, needs: row.namedBy.map((oid) => keyOf(row.classid, oid)) }];
  });
}
