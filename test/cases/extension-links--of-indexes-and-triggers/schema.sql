create extension if not exists pg_stat_statements;
create function f() returns trigger language plpgsql as $$ begin return new; end $$;
create table t (id int, v text);
create index t_v on t (v);
create trigger g before insert on t for each row execute function f();
alter index t_v depends on extension pg_stat_statements;
alter trigger g on t depends on extension pg_stat_statements;
