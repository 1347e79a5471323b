create schema counters;
create sequence counters."Shared" start 100;
create table t (a int default nextval('counters."Shared"'), b bigint default currval('counters."Shared"') + 1);
create table other (a int default nextval('counters."Shared"'));
select nextval('counters."Shared"');
