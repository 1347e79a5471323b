create table a (id int);
create domain several as a[];
create table d (x several);
insert into d values (array[row(1)::a]);
alter domain several add constraint few check (cardinality(value) < 1) not valid;
