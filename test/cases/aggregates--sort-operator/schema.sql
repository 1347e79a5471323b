create table t (id int);
create function less(t, t) returns bool language sql immutable as 'select $1.id < $2.id';
create function smaller(t, t) returns t language sql immutable as 'select case when $1.id < $2.id then $1 else $2 end';
create operator <<< (leftarg = t, rightarg = t, function = less, restrict = scalarltsel, join = scalarltjoinsel);
create aggregate least_of(t) (sfunc = smaller, stype = t, sortop = <<<);
