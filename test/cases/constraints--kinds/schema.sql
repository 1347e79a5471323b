create table other (a int, b int, c int, primary key (a, b), unique (c) include (a));
create table t (
  a int constraint a_positive check (a > 0) no inherit,
  b int,
  c int4range,
  constraint t_pk primary key (a) include (b) with (fillfactor = 60),
  constraint t_b unique (b) deferrable initially deferred,
  constraint t_c exclude using gist (c with &&) where (b > 0) deferrable
);
alter table t add constraint late check (b <> 13) not valid;
alter table t add constraint fk1 foreign key (a, b) references other match full on update cascade on delete set null deferrable;
alter table t add constraint fk2 foreign key (b) references other (c) on delete set default not valid;
comment on constraint fk1 on t is 'points away';
comment on constraint t_pk on t is 'the key';
comment on index t_pk is 'the index of the key';
