create type mine as range (subtype = float8, multirange_type_name = "many of Mine");
create table t (a int4multirange default '{[1,2)}', b "many of Mine"[], c tstzmultirange not null,
  exclude using gist (a with &&), check (not isempty(c)));
create index on t using gist (c) where lower_inf(a);
insert into t values ('{[1,3),[7,9)}', array['{[1.5,2.5]}'::"many of Mine", null], '{[2024-01-01 00:00+00,)}');
