create table parent (a int, b int);
create table child () inherits (parent);
create table grandchild () inherits (child);
alter table parent add constraint positive check (a > 0) not valid;
alter table grandchild validate constraint positive;
alter table parent add constraint bounded check (b < 9) not valid;
alter table child validate constraint bounded;
