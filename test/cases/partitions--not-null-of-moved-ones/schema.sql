-- the parents got their constraints after the partitions
create table p (a int, b int) partition by range (a);
create table p1 (a int not null, b int constraint mine not null);
alter table p attach partition p1 for values from (0) to (10);
alter table p alter a set not null;
alter table p add constraint ours not null b;
create table q (a int, b int) partition by range (a);
create table q1 (a int, b int, primary key (a)) partition by range (a);
create table q11 partition of q1 for values from (0) to (5);
alter table q11 alter b set not null;
alter table q attach partition q1 for values from (0) to (10);
alter table q add primary key (a);
alter table q1 alter b set not null;
-- constraints that are not valid
create table r (a int, b int, c int) partition by range (a);
create table r1 partition of r for values from (0) to (10);
alter table r1 add constraint r_b not null b not valid, add constraint r_c not null c not valid;
alter table r add constraint r_b not null b not valid, add constraint r_c not null c not valid;
alter table r1 validate constraint r_b;
-- a partition whose parent stays
create table s (a int, b int, c int) partition by range (a);
create table s1 partition of s for values from (0) to (10);
create table s2 partition of s for values from (10) to (20);
alter table s1 alter a set not null, add constraint s_b not null b not valid, add constraint s_c not null c not valid;
alter table s alter a set not null;
alter table s add constraint s_b not null b not valid, add constraint s_c not null c not valid;
alter table s1 validate constraint s_c;
