create schema one;
create schema two;
create table one.same (id int);
create table two.same (id text);
insert into one.same values (1);
insert into two.same values ('1'), ('%I %1$s');
create table "a.b" ("s" int, "t" text, "text" text, "Column ""x""" int, "new
line" text, "%I" int, "select" text, "r" int, "ünï" text, "undrop.rows" int);
insert into "a.b" values (1, 't', 'text', 2, 'n', 3, 'select', 4, 'ü', 5);
create table t (t text, "t.*" int, "row" int);
insert into t values ('t', 1, 2), (null, null, null);
