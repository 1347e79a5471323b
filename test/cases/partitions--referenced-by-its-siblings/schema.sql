create table p (id int primary key, mother int references p) partition by range (id);
create table p1 partition of p for values from (0) to (10);
create table p2 partition of p for values from (10) to (20) partition by list (id);
create table p2a partition of p2 for values in (10, 11, 12);
insert into p values (1, null), (2, 1), (10, 1), (11, 10), (12, 2);
