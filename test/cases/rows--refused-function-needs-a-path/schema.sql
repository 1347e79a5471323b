create table words (w text);
create function helper(text) returns text language sql immutable as $$ select lower($1) $$;
create function norm(text) returns text language plpgsql immutable as $$ begin return helper($1); end $$;
create table t (v text);
create index on t (norm(v));
alter function norm(text) set search_path = public;
insert into t values ('X');
alter function norm(text) reset search_path;
