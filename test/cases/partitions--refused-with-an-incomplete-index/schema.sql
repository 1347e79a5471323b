create table p (a int) partition by range (a);
create table t partition of p for values from (0) to (100) partition by range (a);
create table t1 partition of t for values from (0) to (10);
create index t_a on only t (a);
create index p_a on only p (a);
alter index p_a attach partition t_a;
