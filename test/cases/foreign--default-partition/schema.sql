create foreign data wrapper w;
create server "Far away" foreign data wrapper w;
create table p (id int, v text default 'x') partition by list (id);
create foreign table pd partition of p default server "Far away";
alter foreign table pd alter v drop default;
