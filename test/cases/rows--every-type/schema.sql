create type mood as enum ('sad', 'ok', 'it''s "fine", \');
create type pair as (n numeric, note text);
create domain positive as int check (value > 0);
create domain pairs as pair[];
create type span as range (subtype = float8, subtype_diff = float8mi);
create table t (
  id int, b boolean, i2 smallint, i8 bigint, n numeric, n2 numeric(10, 3), f4 real, f8 double precision, m money,
  c char(5), v varchar(9), x text, ch "char", nm name, by bytea, d date, ti time, tz timetz, ts timestamp,
  tstz timestamptz(3), iv interval, ivd interval day to second(2), u uuid, j json, jb jsonb, jp jsonpath,
  ip inet, ci cidr, ma macaddr, bi bit(3), vb varbit, p point, l line, ls lseg, bo box, pa path, po polygon,
  cc circle, tsv tsvector, tsq tsquery, ir int4range, nr numrange, mr int4multirange, sr span, mo mood, mos mood[],
  pr pair, prs pair[], dp positive, dps pairs, ar int[], ar2 text[][], lsn pg_lsn, o oid, xi xid, ti2 tid,
  rc regclass, rt regtype, rp regproc, rcur refcursor, ac aclitem, sn pg_snapshot, iv2 int2vector, ov oidvector
);
insert into t (id) values (0);
insert into t values (1, true, -32768, 9223372036854775807, 'NaN', 1.5, 'NaN', '-Infinity', '1,234.56',
  'ab', 'cd', E'line\nbreak \\ "quoted" ''so''', 'x', 'name', '\x00ff5c', '-infinity', '24:00', '12:00+05:30',
  'infinity', '2000-01-01 00:00:00.1235+02', '1 year -2 mons 3 days -04:05:06.789', '1 day 00:00:01.239',
  '00000000-0000-0000-0000-000000000001', '{"b": 1,  "a": 2, "a": 3}', '{"b": 1, "a": [1.10, null]}', '$.a[*] ? (@ > 1)',
  '::1/64', '10.0.0.0/8', '08:00:2b:01:02:03', '101', '1', '(0.1,-0)', '{1,2,3}', '[(0,0),(1,1)]', '((1,1),(0,0))',
  '[(0,0),(1,1)]', '((0,0),(1,1),(1,0))', '<(0,0),2>', 'a:1A fat:2B', 'fat & !cat', '[1,5)', '(,1.50]', '{[1,2),[5,9)}',
  '[0.1,0.3)', 'it''s "fine", \', '{sad,NULL,ok}', '(1.50,"a,b")', '{"(1,)","(,\"x \"\"y\")"}', 7, '{"(2,two)"}',
  '[0:1]={1,2}', '{{a,NULL},{"NULL",""}}', '16/B374D848', 42, '42', '(1,2)', 'pg_class', 'int4', 'now', 'cur',
  '=r/postgres', '10:20:10,14,15', '1 2', '3 4');
insert into t (id, f4, f8, n, x, c, v, by, ar, prs, jb, tsv, d, ti, iv, p, m) values
  (2, '-0', 1e-308, 1.10, '', '', '', '', '{}', '{}', 'null', '', '4713-01-01 BC', '23:59:59.999999', '-1 mons', '(NaN,Infinity)', -0.01),
  (3, 0.1, 0.1, 1.1000, ' ', ' x', ' ', '\x', '{{{1}}}', array[null]::pair[], '"x"', 'a', '5874897-12-31', '00:00', '178000000 years', null, 0),
  (3, 0.1, 0.1, 1.1000, ' ', ' x', ' ', '\x', '{{{1}}}', array[null]::pair[], '"x"', 'a', '5874897-12-31', '00:00', '178000000 years', null, 0);
