create table t (id int);
create table u (id int);
create type pair as (a int, b int);
create cast (t as json) with inout;
create cast (pair as t) with inout as assignment;
create cast (u as pair) with inout;
