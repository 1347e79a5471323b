create function f() returns trigger language plpgsql as $$ begin return new; end $$;
create table p (id int, v text) partition by range (id);
create table p1 partition of p for values from (0) to (10);
create table p2 partition of p for values from (10) to (20);
create trigger each_row before insert on p for each row execute function f();
create trigger own after delete on p1 for each row execute function f();
alter table p1 disable trigger each_row;
