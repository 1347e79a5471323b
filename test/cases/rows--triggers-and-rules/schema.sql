create table log (what text);
create function note() returns trigger language plpgsql as $$
  begin insert into public.log values (tg_table_name || tg_op); new.n = new.n + 1; return new; end $$;
create table t (id int, n int);
create table quiet (id int primary key, n int);
create trigger note before insert or update on t for each row execute function note();
create trigger note_always before insert on quiet for each row execute function note();
alter table quiet enable always trigger note_always;
insert into t values (1, 1);
insert into quiet values (1, 1);
create rule nothing as on insert to t do instead nothing;
create rule also as on insert to quiet do also insert into log values ('rule');
alter table quiet enable always rule also;
