create type pair as (n int, note text);
create table a (id int, dropped int, note text, p pair, at timestamptz, f float8, double int generated always as (id * 2) stored);
alter table a drop column dropped;
create table b (id int, one a, many a[], nothing a);
create table c (one b not null, pairs pair[], "the.type" a[][]);
insert into a values (1, 'x', '(1,"a ""b"", \ c")', '2020-01-01 00:00:00+01', 0.1), (null, '', null, 'infinity', 'NaN');
insert into b select 1, a, array[a, null], null from a;
insert into b values (2, null, '{}', row(1, null, null, null, null, 99)::a), (3, row(null, null, null, null, null, null), null, null);
insert into c select b, array[row(1, 'x')::pair, null], array[array[a], array[null::a]] from b, a;
