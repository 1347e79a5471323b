create table kept (id int primary key);
create domain short as text;
create table t (id int, n int, v short);
insert into t values (1, -1, 'far too long'), (2, -2, null), (null, 3, 'x');
alter table t add constraint positive check (n > 0) not valid;
alter table t add constraint there foreign key (id) references kept not valid;
alter domain short add constraint is_short check (length(value) < 5) not valid;
