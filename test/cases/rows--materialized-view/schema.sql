create table t (id int primary key, n int);
insert into t select g, g % 3 from generate_series(1, 20) as g;
create materialized view m as select n, count(*) as many from t group by n order by n;
create unique index on m (n);
create view v as select * from m where n > 0;
