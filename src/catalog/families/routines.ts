import type { Session } from '../../session/session.ts';
import { type Closure, membersIn, readAbout } from '../closure.ts';
import { makes, type Piece } from '../piece.ts';

interface RoutineRow {
  oid: number;
  sql: string | null;
  owner: string;
}

/**
 * Returns SQL for the name of a row of pg_proc in `alter routine`, `comment on routine` and `grant … on routine`. It
 * includes argument modes, because overloads of a procedure may differ only in them. An aggregate is named by its
 * argument types alone, without `order by`.
 */
export function routineSql(routine: string): string {
  return /* sql */ `(
    select pg_catalog.format('routine %I.%I(%s)', n.nspname, ${routine}.proname,
      case when ${routine}.prokind <> 'a' then pg_catalog.pg_get_function_identity_arguments(${routine}.oid)
        else (
          select pg_catalog.string_agg(pg_catalog.format_type(a.type, null), ', ' order by a.position)
          from pg_catalog.unnest(${routine}.proargtypes::oid[]) with ordinality as a (type, position))
      end)
    from pg_catalog.pg_namespace as n
    where n.oid = ${routine}.pronamespace)`;
}

// PostgreSQL prints `create or replace`, which would overwrite a function that was created after the drop.
const routinesSql = /* sql */ `
  select p.oid::bigint as oid,
    case when pg_catalog.starts_with(d.definition, 'CREATE OR REPLACE ')
      then 'create ' || pg_catalog.rtrim(pg_catalog.substr(d.definition, 19), E'\\n')
    end as sql,
    pg_catalog.format('alter %s owner to %I', ${routineSql('p')}, pg_catalog.pg_get_userbyid(p.proowner)) as owner
  from pg_catalog.pg_proc as p
  cross join lateral (
    select pg_catalog.pg_get_functiondef(p.oid) as definition where p.prokind in ('f', 'p', 'w')) as d
  where p.oid = any ($1)
  order by p.pronamespace::pg_catalog.regnamespace::text, p.proname, p.oid`;

/**
 * Captures functions, window functions and procedures, except those created with their type: the constructors of a
 * range.
 */
export async function captureRoutines(session: Session, closure: Closure): Promise<Piece[]> {
  const members = membersIn(closure, 'pg_proc');
  const rows = await readAbout<RoutineRow>(session, routinesSql, members);
  return rows.flatMap((row) => {
    const member = members.get(row.oid);
    if (member === undefined || member.partOf !== null || row.sql === null) return [];
    return [makes(member, 'routine', [row.sql, row.owner])];
  });
}
