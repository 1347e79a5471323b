create table p (a int, b int, c int) partition by range (a);
create table p1 partition of p for values from (0) to (10);
create statistics p_stats on a, b from p;
create statistics p1_stats (dependencies) on b, c from p1;
