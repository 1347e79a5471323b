create table t (id int constraint "named not null" not null, r int4range, v int,
  constraint key primary key (r, id) );
alter table t drop constraint key;
alter table t add constraint open check (v > 0) not enforced;
alter table t add constraint v_there not null v no inherit;
create table survivor (id int, t int);
