create unlogged table t (id int generated always as identity, n serial);
create sequence of_t owned by t.n;
insert into t default values;
insert into t default values;
