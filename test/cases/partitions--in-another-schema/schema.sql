create schema app;
create schema parts;
create type app.kind as enum ('a', 'b');
create table app."P" (k app.kind, at timestamptz) partition by list (k);
create table parts."A" partition of app."P" for values in ('a') partition by range (at, k);
create table parts."A1" partition of parts."A" for values from ('2020-01-01 00:00+00', minvalue) to ('2021-01-01 00:00+00', maxvalue);
create index on app."P" using brin (at);
