create table t ("A" int, "b c" text, d jsonb, e tsrange, f inet);
create index "I ?" on t ("A" desc, "b c" collate "C" text_pattern_ops nulls first) where "b c" like 'x?%';
create unique index on t ((d -> 'a?'), ("A" is null)) include (f);
create index on t using gist (e range_ops, f inet_ops) with (buffering = off, fillfactor = 55);
create index on t using brin (f inet_minmax_ops, "A" int4_minmax_multi_ops (values_per_range = 17)) with (pages_per_range = 8);
create index on t using gin ((array["A", 1])) with (gin_pending_list_limit = 128);
