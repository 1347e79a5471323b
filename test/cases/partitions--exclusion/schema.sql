create table p (r int4range, v int, constraint p_x exclude using gist (r with =, r with &&)) partition by range (r);
create table p1 partition of p for values from ('[0,10)') to ('[10,20)');
create table p2 partition of p for values from ('[10,20)') to ('[20,30)');
alter table p1 rename constraint p1_r_r1_excl to "own name";
