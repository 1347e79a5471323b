create table t (id int primary key, parent int references t, tags text[]);
create recursive view tree (id, depth) as select id, 0 from t where parent is null union all select t.id, depth + 1 from t join tree on t.parent = tree.id;
create view flat as select t.id, x.tag, x.n from t left join lateral unnest(t.tags) with ordinality as x (tag, n) on true;
create view sampled as select * from t tablesample bernoulli (10) repeatable (1);
create view windowed as select id, row_number() over w as r, sum(id) filter (where id > 1) over w as s from t window w as (partition by parent order by id);
create view grouped as select parent, id, grouping(parent) as g from t group by rollup (parent, id) having count(*) > 0 order by 1 desc nulls last limit 3;
create view whole as select t, (t).tags from t;
