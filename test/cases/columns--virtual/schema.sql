create table t (a int, b int generated always as (a * 2) virtual, c text generated always as ((a::text || 'x')) stored, d int generated always as (a + 1) not null);
create view v as select 1 as x;
