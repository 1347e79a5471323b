create table a (id int primary key, b int);
create table b (id int primary key, a int not null references a);
insert into a values (2, 1), (1, 2);
insert into b values (1, 1), (2, 2);
alter table a add foreign key (b) references b deferrable;
