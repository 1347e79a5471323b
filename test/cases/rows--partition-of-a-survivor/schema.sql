create table kept (id int primary key);
insert into kept values (1);
create table t (id int primary key, n int references kept) partition by range (id);
create table t_1 partition of t for values from (1) to (10);
create table t_2 partition of t for values from (10) to (20);
create index on t (n);
insert into t values (1, 1), (2, null), (11, 1);
create function note() returns trigger language plpgsql as $$ begin raise 'it fires'; end $$;
create trigger note before insert on t for each row execute function note();
