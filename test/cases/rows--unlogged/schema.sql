create unlogged table t (id serial primary key, v text compression pglz collate "C");
insert into t (v) select 'v' || g from generate_series(1, 10) as g;
select setval('t_id_seq', 77, false);
