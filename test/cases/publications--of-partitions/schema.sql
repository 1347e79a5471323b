create table p (id int not null, v text) partition by range (id);
create table p1 partition of p for values from (0) to (10);
create table p2 partition of p for values from (10) to (20);
create publication root for table p (id) with (publish_via_partition_root = true);
create publication part for table p1 where (id > 5);
create publication everything for tables in schema public;
