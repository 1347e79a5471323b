create schema stats;
create role case_statistician nologin;
create table t (a int, b int, c text collate "C");
create statistics stats."Odd name" (ndistinct) on c, a from t;
create statistics on_expressions (mcv) on (a % 2), b, (c || 'x') from t;
alter statistics stats."Odd name" owner to case_statistician;
alter statistics on_expressions set statistics 0;
grant usage, create on schema stats to case_statistician;
