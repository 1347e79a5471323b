create table parent (id int, n int default 3, constraint positive check (n > 0));
create table child (extra text) inherits (parent);
create table grandchild (id int, more bigint generated always as (n * 2) stored) inherits (child);
insert into parent values (1, 1), (2, 2);
insert into child values (1, 1, 'x'), (3, 3, null);
insert into grandchild values (4, 4, 'y');
