create table t (a int, b int, c text);
create statistics s1 (dependencies) on a, b from t;
create statistics s2 (ndistinct, mcv) on a, b, c from t;
create statistics s3 on (a + b), (lower(c)) from t;
create statistics s4 on (a * 2) from t;
alter statistics s2 set statistics 42;
comment on statistics s1 is 'statistics';
