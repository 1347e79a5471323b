create table t as select array[1, 2] as a, array[['x']] as b limit 0;
