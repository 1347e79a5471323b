create domain positive as int default 7 check (value > 0);
create domain positives as positive[];
create type mood as enum ('sad', 'ok');
create type pair as (a int, b mood);
create type spread as range (subtype = float8);
create table t (a positive not null, b mood default 'ok', c pair, d spread, e pair[], f positives);
