create table t (id int);
create table survivor (id int);
create rule copied as on insert to survivor do also insert into t values (new.id);
create rule counted as on update to survivor where (select count(*) from t) > 0 do instead nothing;
alter table survivor enable replica rule copied;
alter table survivor disable rule counted;
