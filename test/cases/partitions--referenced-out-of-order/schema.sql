create table p (id int primary key) partition by range (id);
create table p3 partition of p for values from (20) to (30);
create table survivor (id int primary key, p int references p, q int constraint "Own name" references p);
create table p1 partition of p for values from (0) to (10) partition by range (id);
create table p1b partition of p1 for values from (5) to (10);
create table p1a partition of p1 for values from (0) to (5);
create table p2 partition of p for values from (10) to (20);
