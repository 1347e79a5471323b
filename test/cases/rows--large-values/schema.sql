create table t (id int, plain text, external bytea, main text, json jsonb);
alter table t alter external set storage external;
alter table t alter main set storage main;
insert into t
select g, repeat('x' || g, 500000),
  (select string_agg(decode(md5((g * i)::text), 'hex'), '') from generate_series(1, 30000) as i),
  repeat(md5(g::text), 100), (select jsonb_object_agg(i, md5(i::text)) from generate_series(1, 3000) as i)
from generate_series(1, 3) as g;
