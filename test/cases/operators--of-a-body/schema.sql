create table t (id int);
create function near(int, int) returns bool language sql begin atomic select exists (select from t where id between $1 and $2); end;
create function far(int, int) returns bool language sql as 'select not near($1, $2)';
create operator ~~> (leftarg = int, rightarg = int, function = near, negator = !~~>);
-- is not dropped, but loses its negator until the restore
create operator !~~> (leftarg = int, rightarg = int, function = far, negator = ~~>);
