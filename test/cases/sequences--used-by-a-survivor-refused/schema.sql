create table t (id serial primary key);
create table survivor (id int default nextval('t_id_seq'), v int);
