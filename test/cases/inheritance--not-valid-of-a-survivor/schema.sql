create table parent (id int, d date);
create table child () inherits (parent);
insert into child values (1, '2020-01-01');
alter table parent add constraint young check (d > '2000-01-01') not valid;
alter table parent add constraint positive check (id > 0);
