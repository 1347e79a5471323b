create table other (id int, word text);
create view v as select id, upper(word) as word from other;
create materialized view m as select id, word from other;
create table t (id int, word text);
create rule look as on insert to t where exists (select from v where v.word = new.word) do instead nothing;
create rule look_again as on update to t do also insert into other select m.id, m.word from m where m.id = new.id;
