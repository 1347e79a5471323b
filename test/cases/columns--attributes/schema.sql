create collation case_insensitive (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table t (
  a text collate "C",
  b text collate case_insensitive,
  c text compression pglz,
  d text,
  e numeric(12, 3)[],
  f int[][],
  g char(3),
  h interval day to second(3),
  i bit varying(7),
  j timestamp(3) with time zone,
  k "char"
);
alter table t alter c set storage main;
alter table t alter d set storage external;
alter table t alter a set statistics 321;
alter table t alter b set (n_distinct = -0.5, n_distinct_inherited = 7);
