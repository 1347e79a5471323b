create role case_reader nologin;
create table t (id int, owner name);
alter table t enable row level security;
create policy everyone on t using (owner = current_user);
create policy readers on t as restrictive for select to case_reader, current_user using (id > 0);
create policy writers on t for insert with check (id < 100);
create policy changers on t for update using (id > 1) with check (id > 2);
create policy removers on t for delete using (false);
comment on policy readers on t is 'a policy';
