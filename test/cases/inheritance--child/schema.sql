create table parent (id int not null default 5, v text default 'p', w text collate "C", constraint c check (id > 0), constraint d check (v <> ''), constraint e check (id < 9) no inherit);
create table child (x int, v text default 'own', constraint d check (v <> '')) inherits (parent);
alter table child alter id drop default;
alter table child alter w set storage external;
alter table child alter w set not null;
create index on child (id);
comment on column child.id is 'inherited';
