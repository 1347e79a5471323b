create table survivor (id int primary key);
create table t (id int primary key, s int references survivor on update cascade);
do $$ declare n name; begin
  select tgname into n from pg_trigger where tgrelid = 'survivor'::regclass and tgfoid = '"RI_FKey_cascade_upd"'::regproc;
  execute format('alter table survivor enable always trigger %I', n);
  select tgname into n from pg_trigger where tgrelid = 't'::regclass and tgfoid = '"RI_FKey_check_ins"'::regproc;
  execute format('alter table t enable replica trigger %I', n);
end $$;
