create table t (id int primary key, code text unique);
create table survivor (id int primary key, t int references t on delete cascade, code text);
alter table survivor add foreign key (code) references t (code) not valid;
