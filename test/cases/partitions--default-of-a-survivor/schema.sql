create table p (id int, v text) partition by list (id);
create table p1 partition of p for values in (1, 2);
create table pd partition of p default;
create index on p (v);
