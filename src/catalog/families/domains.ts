import type { Session } from '../../session/session.ts';
import { type Closure, type Member, membersIn, readAbout, typesOf } from '../closure.ts';
import { addsTo, makes, type Piece } from '../piece.ts';

interface DomainRow {
  oid: number;
  create: string;
  owner: string;
  notNull: string | null;
}

interface ConstraintRow {
  oid: number;
  sql: string;
  valid: boolean;
}

// The default is an attribute of the domain; a constraint is a separate object, from 17 on also NOT NULL. Constraints
// are created before the tables, because they cannot be added once a column has an array of the domain. Those that are
// not valid are created after the rows, which may violate them.
const domainsSql = /* sql */ `
  select t.oid::bigint as oid,
    pg_catalog.concat(
      pg_catalog.format('create domain %I.%I as %s', n.nspname, t.typname,
        pg_catalog.format_type(t.typbasetype, t.typtypmod) || pg_catalog.repeat('[]', t.typndims - 1)),
      (select pg_catalog.format(' collate %I.%I', c_n.nspname, c.collname)
       from pg_catalog.pg_collation as c
       join pg_catalog.pg_namespace as c_n on c_n.oid = c.collnamespace
       where c.oid = t.typcollation and t.typcollation <> b.typcollation),
      ' default ' || pg_catalog.pg_get_expr(t.typdefaultbin, 0)) as create,
    pg_catalog.format('alter domain %I.%I owner to %I',
      n.nspname, t.typname, pg_catalog.pg_get_userbyid(t.typowner)) as owner,
    case when t.typnotnull and not exists (
        select from pg_catalog.pg_constraint as k where k.contypid = t.oid and k.contype = 'n')
      then pg_catalog.format('alter domain %I.%I set not null', n.nspname, t.typname)
    end as "notNull"
  from pg_catalog.pg_type as t
  join pg_catalog.pg_type as b on b.oid = t.typbasetype
  join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
  where t.oid = any ($1) and t.typtype = 'd'
  order by n.nspname, t.typname`;

const constraintsSql = /* sql */ `
  select k.oid::bigint as oid,
    pg_catalog.format('alter domain %I.%I add constraint %I %s',
      n.nspname, t.typname, k.conname, pg_catalog.pg_get_constraintdef(k.oid)) as sql,
    k.convalidated as valid
  from pg_catalog.pg_constraint as k
  join pg_catalog.pg_type as t on t.oid = k.contypid
  join pg_catalog.pg_namespace as n on n.oid = t.typnamespace
  where k.oid = any ($1)
  order by n.nspname, t.typname, k.conname`;

/** Captures domains, and constraints of domains, including constraints of domains that stay. */
export async function captureDomains(session: Session, closure: Closure): Promise<Piece[]> {
  const types = typesOf(closure);
  const isOfDomain = ([, { kind }]: [number, Member]) => kind === 'domain constraint';
  const constraints = new Map([...membersIn(closure, 'pg_constraint')].filter(isOfDomain));
  const [domains, rows] = await session.together([
    readAbout<DomainRow>(session, domainsSql, types),
    readAbout<ConstraintRow>(session, constraintsSql, constraints),
  ]);
  return [
    ...domains.flatMap((row) => {
      const member = types.get(row.oid);
      if (member === undefined) return [];
      return [makes(member, 'type', [row.create, row.owner]), ...addsTo(member, 'type', [row.notNull])];
    }),
    ...rows.flatMap((row) => {
      const member = constraints.get(row.oid);
      return member === undefined ? [] : [makes(member, row.valid ? 'type' : 'check', [row.sql])];
    }),
  ];
}
