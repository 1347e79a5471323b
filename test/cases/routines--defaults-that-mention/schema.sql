create table t (id serial, v text);
create function next(n bigint default nextval('t_id_seq')) returns bigint language sql as 'select n';
create function row_of(x regclass default 't'::regclass, y text default (null::t)::text) returns text language sql as 'select y';
create table stays (id bigint default next());
