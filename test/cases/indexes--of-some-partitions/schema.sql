create table p (id int, v int) partition by range (id);
create table p1 partition of p for values from (0) to (10);
create table p2 partition of p for values from (10) to (20);
create index incomplete on only p (v);
create index p1_v on p1 (v);
alter index incomplete attach partition p1_v;
insert into p values (1, 1), (11, 1);
