create table p (a int, b int) partition by list (a);
create table p1 partition of p for values in (1);
create table p2 partition of p for values in (2);
create index of_p on only p (b);
create index of_p2 on p2 (b);
alter index of_p attach partition of_p2;
