-- ALTER COLUMN … TYPE casts the default without a collation
create domain code as text;
create table t (
  id int primary key,
  a varchar(15) default null, b varchar(255) default 'abc', c text default 'abc', d text default lower('X'),
  f varchar(10) collate "C" default 'x', g text[] default array['a', 'b'], h int default 1, i text default current_user, j text default 'k',
  k varchar(10) default upper('k' collate "C"), l text, m varchar(10) generated always as (lower(l)) stored, n char(3) default 'abc');
alter table t alter a type text, alter b type varchar(100), alter c type varchar(5), alter d type varchar(9), alter f type text,
  alter g type varchar(9)[], alter h type numeric(5, 2), alter i type varchar(30), alter j type code, alter k type varchar(11), alter m type varchar(12), alter n type char(5);
create table u (id int, status varchar(10) collate "C" not null default 'new', old varchar default 'a' || lower('B'));
alter table u alter status type text collate "C", alter old type text;
