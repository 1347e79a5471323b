create table t (c int4range, d box, exclude using gist (c with &&, d with ~=), exclude (c with =) where (not isempty(c)));
