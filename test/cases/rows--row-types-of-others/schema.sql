create table a (id int, note text);
create domain one as a;
create domain several as a[] check (cardinality(value) < 3);
create view v as select id as n, note from a;
create table d (x one, y several, z v, zs v[]);
insert into a values (1, 'x'), (2, null);
insert into d select row(id, note)::a, array[a, null]::a[], row(id, note)::v, array[row(7, '7')::v, null] from a;
