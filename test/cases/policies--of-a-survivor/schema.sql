create table t (id int);
create table survivor (id int);
alter table survivor enable row level security;
create policy guarded on survivor as restrictive using (id in (select t.id from t));
