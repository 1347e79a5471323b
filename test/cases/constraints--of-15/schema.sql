create table other (a int, b int, primary key (a, b));
create table t (a int, b int, c int, unique nulls not distinct (c) include (a),
  foreign key (a, b) references other on delete set null (b), foreign key (a, c) references other on delete set default (c));
create unique index on t (b) nulls not distinct;
