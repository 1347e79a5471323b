create table p (id int not null, v int) partition by range (id);
create table p1 partition of p for values from (0) to (10);
alter table p1 add constraint p1_pk primary key (id);
alter table p add constraint p_pk primary key (id);
alter table p add constraint p_uq unique (v, id);
alter table p1 add constraint own check (v > 0) no inherit;
create table q (id int, v int) partition by list (v);
