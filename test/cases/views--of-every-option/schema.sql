create role case_seer nologin;
create schema "Views";
create table t (id int primary key, v text);
create view "Views"."V ""1""" with (check_option = cascaded, security_barrier = true) as select id, v as "?" from t where v <> '?';
create view "Views".v2 as select "?" as a, 'x'::"char" as b, null as c from "Views"."V ""1""";
alter view "Views".v2 owner to case_seer;
grant select on "Views"."V ""1""" to case_seer;
create materialized view "Views".m as select count(*) as n from "Views"."V ""1""" with no data;
create unique index on "Views".m (n);
