create table t ("a ' b" int primary key, v text);
comment on table t is E'line one\nline two \\ backslash \'quote\' "double" $$dollar$$ ? :name %s ; drop table t; -- /* */';
comment on column t."a ' b" is E'\t\x01 ünïcödé 🗑';
comment on constraint t_pkey on t is '   ';
