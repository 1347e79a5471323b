create role case_owner nologin;
grant create on schema public to case_owner;
create table t (id int, v text);
create function a(t) returns int language sql immutable strict leakproof parallel safe cost 17 security definer
  set search_path to public, "odd ""schema", pg_temp set work_mem to '8MB' set datestyle to 'ISO, DMY' as 'select $1.id';
create function b(x t) returns void language plpgsql volatile called on null input parallel restricted
  as 'begin end' ;
create function c(anyelement, t) returns anyelement language sql as 'select $1';
create function d(anycompatible, anycompatiblearray, t[]) returns anycompatible language sql as 'select $1';
create function e(t) returns record language plpgsql as $body$
declare
  "$$" text := 'a $function$ b';
begin
  -- refers to an object that does not exist
  return (select nothing from nowhere where x = $1.id);
end
$body$;
create function w(anyelement, t) returns bigint language internal window as 'window_row_number';
create function s(t, int) returns setof int language internal immutable strict rows 1000 support generate_series_int4_support
  as 'generate_series_step_int4';
alter function a(t) owner to case_owner;
comment on function w(anyelement, t) is 'a window function';
create view v as select c(1, t) as one, w(t.id, t) over () as number from t;
