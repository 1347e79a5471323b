create table t (id int, code text, during int4range, n int, j jsonb,
  primary key (id) include (code), unique (code) deferrable initially deferred,
  exclude using gist (during with &&) where (n > 0));
insert into t select g, 'c' || g, int4range(g * 10, g * 10 + 5), g - 5, jsonb_build_object('k', g) from generate_series(1, 30) as g;
insert into t values (100, 'x', '[10,300]', -1, null);
create index on t (lower(code), n desc nulls last) where n > 3;
create index on t using gin (j jsonb_path_ops);
create index on t using brin (n);
create index on t using hash (code);
create statistics t_stats on n, code from t;
alter table t cluster on t_pkey;
analyze t;
