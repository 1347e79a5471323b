create table p (id int primary key, v text) partition by range (id);
create table p1 partition of p for values from (0) to (10);
create table survivor (id int primary key, p int references p on delete cascade, q int references p);
create table p2 partition of p for values from (10) to (20) partition by range (id);
create table p2a partition of p2 for values from (10) to (15);
