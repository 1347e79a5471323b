create table parent (id int);
create table child (v int) inherits (parent);
