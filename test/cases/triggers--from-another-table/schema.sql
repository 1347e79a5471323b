create table other (id int primary key);
create function f() returns trigger language plpgsql as $$ begin return null; end $$;
create table t (id int);
create constraint trigger watched after insert or update on t from other deferrable for each row execute function f();
create trigger z after truncate on t execute function f();
create trigger a after truncate on t execute function f();
