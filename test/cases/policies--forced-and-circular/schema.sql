create table t (id int, boss int);
create table survivor (id int, t int);
alter table t enable row level security;
alter table t force row level security;
alter table survivor force row level security;
create policy seen on t for select using (exists (select from survivor s where s.t = t.id));
create policy "Odd ""policy""" on survivor as restrictive for update to public using (t in (select id from t)) with check (t > 0);
create policy self on t for delete using (boss in (select x.id from t x));
