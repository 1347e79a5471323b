create table t (id int primary key, double int generated always as (id * 2) stored, half int generated always as (id / 2) virtual);
create table u (id int primary key, twice int generated always as (id * 2) stored);
create publication generated for table t with (publish_generated_columns = stored);
create publication listed for table t (id, double), u (twice, id) where (id > 3);
create publication none for table u with (publish_generated_columns = none);
