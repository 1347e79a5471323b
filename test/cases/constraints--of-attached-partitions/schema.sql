create table p (id int primary key) partition by range (id);
create table p1 partition of p for values from (0) to (10);
create table t (id int);
alter table t add foreign key (id) references p not valid;
create table p2 (id int primary key);
alter table p attach partition p2 for values from (10) to (20);
