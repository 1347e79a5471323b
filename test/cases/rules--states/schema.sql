create table t (id int, v text);
create table log (id int);
create rule logged as on insert to t do also insert into log values (new.id);
create rule ignored as on delete to t where old.id = 1 do instead nothing;
create rule elsewhere as on update to log do also update t set v = 'x' where id = new.id;
alter table t disable rule ignored;
alter table log enable always rule elsewhere;
comment on rule logged on t is 'a rule';
