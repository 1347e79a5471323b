create table a (id int primary key, b int);
create table b (id int primary key, a int references a);
alter table a add foreign key (b) references b on delete cascade;
alter table a add parent int references a;
