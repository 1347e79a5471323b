create table first_parent (a int);
create table second_parent (z int, constraint known check (z > 0) not valid);
create table child (own text, z int, check (own <> '')) inherits (first_parent, second_parent);
alter table first_parent add later date;
alter table second_parent add double int generated always as (z * 2) stored;
alter table child add last int;
insert into child (a, z, own, later, last) values (1, 2, 'x', '2020-01-01', 3);
