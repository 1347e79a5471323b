create table stays (id int primary key);
create table t (id int primary key, s int references stays not enforced, v int, w int,
  constraint open check (v > 0) not enforced, constraint deferred foreign key (w) references stays on delete cascade deferrable not enforced);
create table after (id int references t not enforced, t_id int references t on update cascade);
create table child (check (v < 100) not enforced) inherits (t);
comment on constraint open on t is 'only said';
