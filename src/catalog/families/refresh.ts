/**
 * Settings that change the result of a query, in lower case, including those of the pinned settings that do.
 * https://www.postgresql.org/docs/current/runtime-config-client.html
 */
const settings = `
    'array_nulls', 'backslash_quote', 'bytea_output', 'datestyle', 'default_text_search_config',
    'default_toast_compression', 'extra_float_digits', 'gin_fuzzy_search_limit', 'intervalstyle', 'lc_monetary',
    'lc_numeric', 'lc_time', 'quote_all_identifiers', 'row_security', 'standard_conforming_strings', 'timezone',
    'timezone_abbreviations', 'transform_null_equals', 'xmlbinary', 'xmloption'`;

// The search path is set last and reset first, so that only the query itself looks up names in it. It stays pinned if
// the owner's search path is unknown, or if an event trigger would look up names in it with the privileges of the role
// that restores. From 17 on REFRESH sets the search path itself.
// https://www.postgresql.org/docs/current/sql-refreshmaterializedview.html
// https://www.postgresql.org/docs/current/view-pg-settings.html (source)
const block = /* sql */ `do $undrop$
declare
  command constant text := 'refresh materialized view ' || pg_catalog.current_setting('undrop.view');
  pinned constant text := pg_catalog.current_setting('search_path');
  actor constant text := pg_catalog.current_setting('role');
  names constant text[] := array[${settings}];
  owner constant name := (
    select pg_catalog.pg_get_userbyid(c.relowner) from pg_catalog.pg_class as c
    where c.oid = pg_catalog.to_regclass(pg_catalog.current_setting('undrop.view')));
  of_server constant text[] := array['default', 'environment variable', 'configuration file', 'command line'];
  own jsonb;
  before jsonb;
  hidden text;
  path text;
  path_source text;
begin
  select coalesce(pg_catalog.jsonb_object_agg(s.name, s.value), '{}') into own
  from (
    select distinct on (i.name) i.name, i.value
    from pg_catalog.pg_db_role_setting as d
    cross join pg_catalog.unnest(d.setconfig) as u (item)
    cross join lateral (
      select pg_catalog.lower(pg_catalog.split_part(u.item, '=', 1)) as name,
        pg_catalog.substr(u.item, pg_catalog.strpos(u.item, '=') + 1) as value) as i
    where d.setrole in (0, (select r.oid from pg_catalog.pg_roles as r where r.rolname = owner))
      and d.setdatabase in (0, (select b.oid from pg_catalog.pg_database as b where b.datname = pg_catalog.current_database()))
      and (i.name = any (names || array['search_path']) or i.name like '%.%' and i.name not like 'undrop.%')
    order by i.name, d.setrole <> 0 desc, d.setdatabase <> 0 desc) as s;
  select pg_catalog.jsonb_object_agg(n.name, pg_catalog.current_setting(n.name, true)) into before
  from (
    select pg_catalog.lower(s.name) as name from pg_catalog.pg_settings as s where pg_catalog.lower(s.name) = any (names)
    union
    select o.name from pg_catalog.jsonb_object_keys(own) as o (name) where o.name <> 'search_path') as n;

  perform pg_catalog.set_config(b.name, null, true) from pg_catalog.jsonb_object_keys(before) as b (name);
  if owner <> session_user then
    select pg_catalog.string_agg(h.name, ', ' order by h.name) into hidden
    from (
      select s.name from pg_catalog.pg_settings as s
      where pg_catalog.lower(s.name) = any (names) and s.source <> all (of_server)
      union
      select i.name
      from pg_catalog.pg_db_role_setting as d
      join pg_catalog.pg_roles as r on r.oid = d.setrole and r.rolname = session_user
      cross join pg_catalog.unnest(d.setconfig) as u (item)
      cross join pg_catalog.split_part(u.item, '=', 1) as i (name)
      where d.setdatabase in (0, (select b.oid from pg_catalog.pg_database as b where b.datname = pg_catalog.current_database()))
        and i.name like '%.%'
        and not exists (select from pg_catalog.pg_settings as s where s.name = i.name and s.context <> 'user')) as h
    where own -> pg_catalog.lower(h.name) is null;
    if hidden is not null then
      raise exception 'the value of % for role % cannot be determined', hidden, owner using detail = pg_catalog.format(
        'Role %s, or its client, has a value of its own, which hides that of the server. '
        'Set one for role %s or for the database, or reset that of role %1$s.', session_user, owner);
    end if;
    perform pg_catalog.set_config(s.key, s.value, true) from pg_catalog.jsonb_each_text(own) as s where s.key <> 'search_path';
  end if;

  path := own ->> 'search_path';
  if owner = session_user or path is null then
    perform pg_catalog.set_config('search_path', null, true);
    select s.setting, s.source into path, path_source
    from pg_catalog.pg_settings as s where s.name operator(pg_catalog.=) 'search_path';
    perform pg_catalog.set_config('search_path', pinned, true);
    if owner <> session_user and path_source <> all (of_server) then
      path := pinned;
    end if;
  end if;
  if owner <> current_user and exists (
    select from pg_catalog.pg_event_trigger as e
    where e.evtenabled <> 'D' and e.evtevent <> 'login' and coalesce('REFRESH MATERIALIZED VIEW' = any (e.evttags), true)
  ) then
    path := pinned;
  end if;

  -- a member that does not inherit may only act as the owner
  if not pg_catalog.pg_has_role(owner, 'usage') then
    perform pg_catalog.set_config('role', owner::text, true);
  end if;
  perform pg_catalog.set_config('search_path', path, true);
  execute command;
  perform pg_catalog.set_config('search_path', pinned, true);
  perform pg_catalog.set_config('role', actor, true);
  perform pg_catalog.set_config(b.key, b.value, true) from pg_catalog.jsonb_each_text(before) as b;
end
$undrop$`;

/**
 * Returns statements that fill a materialized view as a session of its owner would. REFRESH runs the query as the owner
 * and only with the owner's privileges. The settings are those of the role in this database, of the role, of the
 * database, of all roles, or of the server, in this order. They are read when the statement runs. If the owner is the
 * session user, they are the initial settings of the session.
 *
 * @param view qualified and quoted name
 */
export function refresh(view: string): string[] {
  const literal = `'${view.replaceAll("'", "''")}'`;
  return [`select pg_catalog.set_config('undrop.view', ${literal}, true)`, block];
}
