create table parent (a int);
create table child (b int) inherits (parent);
alter table parent add c int;
