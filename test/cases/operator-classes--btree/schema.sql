create table t (a int);
create function t_cmp(t, t) returns int language sql immutable as 'select $1.a - $2.a';
create function t_lt(t, t) returns boolean language sql immutable as 'select $1.a < $2.a';
create function t_eq(t, t) returns boolean language sql immutable as 'select $1.a = $2.a';
create function t_gt(t, t) returns boolean language sql immutable as 'select $1.a > $2.a';
create operator <<< (leftarg = t, rightarg = t, function = t_lt, commutator = >>>);
create operator === (leftarg = t, rightarg = t, function = t_eq, commutator = ===);
create operator >>> (leftarg = t, rightarg = t, function = t_gt, commutator = <<<);
create operator family by_a using btree;
create operator class t_by_a for type t using btree family by_a as
  operator 1 <<<, operator 3 ===, operator 5 >>>, function 1 t_cmp(t, t);
comment on operator class t_by_a using btree is 'a class';
