create table t (a int);
create function t_same(t, t) returns boolean language sql immutable as 'select $1.a = $2.a';
create function t_hash(t) returns int language sql immutable as 'select $1.a';
create operator ==== (leftarg = t, rightarg = t, function = t_same, commutator = ====, hashes);
create operator class "Hash it" for type t using hash as operator 1 ====, function 1 t_hash(t);
