create table stays (id int primary key);
create table p (id int, s int) partition by range (id);
create table p1 partition of p for values from (0) to (10);
create table p2 partition of p for values from (10) to (20);
alter table p add constraint p_s foreign key (s) references stays not valid;
alter table p1 validate constraint p_s;
alter table p add constraint s_there not null s not valid;
