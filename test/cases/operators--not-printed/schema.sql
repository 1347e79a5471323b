-- If its operators, which are in another schema, are not found, those of text are used.
create schema ops;
create type label;
create function label_in(cstring) returns label language internal immutable strict as 'textin';
create function label_out(label) returns cstring language internal immutable strict as 'textout';
create type label (input = label_in, output = label_out, like = text, category = 'S');
create cast (label as text) without function as implicit;
create function ops.same(label, label) returns boolean language sql immutable strict
  as 'select pg_catalog.lower($1::text) operator(pg_catalog.=) pg_catalog.lower($2::text)';
create function ops.other(label, label) returns boolean language sql immutable strict as 'select not ops.same($1, $2)';
create operator ops.= (function = ops.same, leftarg = label, rightarg = label, commutator = operator(ops.=), negator = operator(ops.<>));
create operator ops.<> (function = ops.other, leftarg = label, rightarg = label, commutator = operator(ops.<>), negator = operator(ops.=));

set search_path = public, ops;
create table t (
  id int primary key, a label, b label default case 'Abc'::label when 'aBC'::label then 'same'::label else 'other'::label end,
  matches boolean generated always as (a is not distinct from b and a = a) stored,
  constraint t_check check (nullif(a, 'None'::label) is not null and a <> 'none'::label)
);
create table u (a label, n int, constraint u_check check (a <> 'none'::label));
insert into t (id, a, b) values (1, 'Abc', 'aBC'), (2, 'x', 'y');
insert into u values ('aBC', 10), ('X', 20);
create view joined as select a, n, t.a = 'abc'::label as is_abc from t join u using (a);
create view known as select id, a in (select a from u where a = a) as known from t;
create unique index on t ((id / 2)) where a is distinct from b;
create statistics t_statistics on (a is distinct from b), (id + 1) from t;
create function noted() returns trigger language plpgsql as 'begin return new; end';
create trigger t_changed before update on t for each row when (old.a is distinct from new.a or old.b = new.b) execute function noted();
create rule t_rule as on update to t where new.a is distinct from old.a and new.b = old.b do also select 1;
alter table t enable row level security;
create policy mine on t using (case a when 'abc'::label then true else a = 'x'::label end);
create function counted(of label default nullif('Abc'::label, 'aBC'::label), t default null) returns bigint
  begin atomic select count(*) from t join u using (a) where t.a = of; end;
create table parts (id int, a label) partition by list ((a is not distinct from 'abc'::label));
create table parts_yes partition of parts for values in (true);
create table parts_no partition of parts default;
insert into parts values (1, 'Abc'), (2, 'x');
-- Names that look like fields of an expression tree.
create view named as select " :opno".a as "a :opno", " :opno".id as ":opnos (o 98)", " :opno".a is distinct from b as " :funcid 5" from t as " :opno";
