create table t (id serial primary key, v text unique, check (id > 0));
comment on table t is 'table';
comment on column t.v is 'column';
comment on type t is 'row type';
comment on sequence t_id_seq is 'sequence';
comment on constraint t_pkey on t is 'key';
comment on constraint t_id_check on t is 'check';
comment on index t_v_key is 'index';
