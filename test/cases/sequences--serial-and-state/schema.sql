create table t (a serial primary key, b bigserial, c smallserial, d int);
select setval('t_a_seq', 41);
select setval('t_b_seq', 9223372036854775806, false);
create sequence odd as smallint start 10 increment -2 minvalue -100 maxvalue 10 cache 5 cycle owned by t.d;
alter table t alter d set default nextval('odd');
select nextval('odd');
comment on sequence odd is 'odd numbers';
