create table t (id int primary key, a int unique);
alter table t replica identity full;
create table u (id int primary key);
alter table u replica identity nothing;
alter table u enable row level security;
alter table u force row level security;
