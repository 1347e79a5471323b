create table t (id int, v text);
create type t_range as range (subtype = t, multirange_type_name = t_many);
create table survivor (id int);
create function widest(t_range) returns t language sql as 'select upper($1)';
create function all_of(t_many) returns boolean language sql as 'select isempty($1)';
comment on type t_range is 'from row to row';
