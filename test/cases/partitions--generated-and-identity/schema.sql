create table p (id int generated always as identity (start 7), v int, w int generated always as (v * 2) stored) partition by range (v);
create table p1 partition of p for values from (0) to (10);
create table p2 partition of p for values from (10) to (20);
insert into p (v) values (1), (11);
delete from p;
