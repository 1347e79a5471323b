create table t (id int);
create function of_t(internal) returns internal language internal immutable as 'pg_backend_pid';
create transform for t language plpgsql (from sql with function of_t(internal));
create function uses(t) returns int transform for type t language plpgsql as 'begin return 1; end';
