create schema kinds;
create type kinds."Person" as ("Name" text collate "C", born date, nick varchar(5)[]);
create table t of kinds."Person" ("Name" with options not null, born with options default '2000-01-01', unique (born), constraint named check ("Name" <> ''));
create index on t (lower("Name"));
alter table t replica identity full;
comment on table t is 'typed';
