create foreign data wrapper w;
create server s foreign data wrapper w;
create table parent (id int not null, v text);
create foreign table child (extra int default 5) inherits (parent) server s options (a 'b');
create function f() returns trigger language plpgsql as $$ begin return new; end $$;
create trigger g before insert on child for each row execute function f();
alter foreign table child alter v set statistics 10;
create view over as select * from child;
