create table x (id int not null, a text, constraint shared check (id > 0));
create table y (id int not null, b text, constraint shared check (id > 0));
alter table y alter b set storage external;
create table z (c int) inherits (x, y);
