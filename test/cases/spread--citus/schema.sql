-- The part of the catalog of Citus that names its tables.
set allow_system_table_mods = on;
create table pg_catalog.pg_dist_partition (logicalrelid regclass not null, partmethod "char" not null, colocationid int not null);
reset allow_system_table_mods;
create table events (id int primary key);
insert into pg_dist_partition values ('events', 'h', 1);
