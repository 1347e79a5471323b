create type row_of as (id int, v text);
create table p of row_of (id with options not null) partition by range (id);
create table p1 partition of p for values from (0) to (10);
create table p2 partition of p default;
create index on p (v);
