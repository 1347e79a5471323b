import type { Session } from '../../session/session.ts';
import { byIdentity, type Digest, type Digests, digestSql } from './fact-digests.ts';

interface Surrounding extends Digest {
  used: boolean;
}

/** Digests of what surrounds the objects of a database: of the database itself, of roles, of settings. */
export interface Surroundings {
  readonly all: Digests;
  /** Those that concern the objects of this database. The roles of other databases are left out. */
  readonly used: Digests;
}

/**
 * Reads the owner, the privileges and the settings of the database, the attributes, members and settings of roles, the user
 * mappings of foreign servers, and the subscriptions. Only public columns of catalogs are read: no passwords, no options of
 * user mappings, no connection strings.
 */
export async function readSurroundings(session: Session): Promise<Surroundings> {
  const found = await session.read<Surrounding>(surroundingsSql);
  return { all: byIdentity(found), used: byIdentity(found.filter(({ used }) => used)) };
}

// Members of these roles may use all objects. pg_maintain exists since 17.
const everywhere = ['pg_read_all_data', 'pg_write_all_data', 'pg_maintain'];

const nameOf = (role: string) => `pg_catalog.quote_ident(${role}.rolname)`;

// Columns of shared catalogs are converted generically: later versions add attributes of roles and options of memberships.
const surroundingsSql = /* sql */ `
  with recursive db as (
    select d.* from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database()
  ),
  used (oid) as (
    select a.oid
    from pg_catalog.pg_roles as a
    where a.rolname = any (array['${everywhere.join(`', '`)}'])
      or a.oid = (select db.datdba from db)
      or a.oid in (
        select s.refobjid
        from pg_catalog.pg_shdepend as s, db
        where s.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
          and (s.dbid = db.oid or s.classid = 'pg_catalog.pg_database'::pg_catalog.regclass and s.objid = db.oid))
    union
    select m.member from used as u join pg_catalog.pg_auth_members as m on m.roleid = u.oid
  ),
  facts (identity, fact, used) as (
    select 'database',
      (pg_catalog.to_jsonb(db) - array['oid', 'datname', 'datdba', 'datacl', 'dattablespace', 'datfrozenxid', 'datminmxid',
        'datlastsysoid', 'datcollversion', 'dathasloginevt'] || pg_catalog.jsonb_build_object(
        'owner', (select a.rolname from pg_catalog.pg_roles as a where a.oid = db.datdba),
        'acl', (select pg_catalog.jsonb_agg(i.item::text order by i.item::text)
          from pg_catalog.unnest(coalesce(db.datacl, pg_catalog.acldefault('d', db.datdba))) as i (item)),
        'tablespace', (select t.spcname from pg_catalog.pg_tablespace as t where t.oid = db.dattablespace),
        'comment', pg_catalog.shobj_description(db.oid, 'pg_database')))::text, true
    from db
    union all
    select 'settings of the database', (
      select s.setconfig::text from pg_catalog.pg_db_role_setting as s where s.setdatabase = db.oid and s.setrole = 0), true
    from db
    union all
    select 'settings of all roles', (
      select s.setconfig::text from pg_catalog.pg_db_role_setting as s where s.setdatabase = 0 and s.setrole = 0), true
    union all
    select 'superusers', (
      select pg_catalog.string_agg(${nameOf('a')}, ', ' order by a.rolname)
      from pg_catalog.pg_roles as a where a.rolsuper), true
    union all
    select 'role ' || ${nameOf('a')},
      (pg_catalog.to_jsonb(a) - array['oid', 'rolpassword', 'rolconfig'] || pg_catalog.jsonb_build_object(
        'members', (
          select pg_catalog.jsonb_agg(pg_catalog.to_jsonb(m) - array['oid', 'roleid', 'member', 'grantor']
            || pg_catalog.jsonb_build_object('name', r.rolname) order by r.rolname, pg_catalog.to_jsonb(m)::text)
          from pg_catalog.pg_auth_members as m
          join pg_catalog.pg_roles as r on r.oid = m.member
          where m.roleid = a.oid)))::text,
      a.oid in (select u.oid from used as u)
    from pg_catalog.pg_roles as a
    union all
    select 'settings of role ' || ${nameOf('a')}, (
        select pg_catalog.string_agg((s.setdatabase <> 0)::text || s.setconfig::text, ' ' order by s.setdatabase)
        from pg_catalog.pg_db_role_setting as s
        where s.setrole = a.oid and s.setdatabase in (0, (select db.oid from db))),
      a.oid in (select u.oid from used as u)
    from pg_catalog.pg_roles as a
    union all
    select 'user mappings of server ' || pg_catalog.quote_ident(v.srvname), (
      select pg_catalog.string_agg(m.usename::text, ', ' order by m.usename)
      from pg_catalog.pg_user_mappings as m where m.srvid = v.oid), true
    from pg_catalog.pg_foreign_server as v
    union all
    select 'subscriptions', (
      select pg_catalog.string_agg(pg_catalog.concat_ws(' ', s.subname, a.rolname, s.subenabled, s.subpublications), ', '
        order by s.subname)
      from pg_catalog.pg_subscription as s
      left join pg_catalog.pg_roles as a on a.oid = s.subowner
      where s.subdbid = db.oid), true
    from db
  )
  select f.identity, ${digestSql(`coalesce(f.fact, '')`)} as digest, f.used
  from facts as f`;

/** Whether the identity is one of a digest of the surroundings. */
export function isSurrounding(identity: string): boolean {
  return /^(?:database$|settings of |superusers$|role |user mappings of |subscriptions$)/.test(identity);
}
