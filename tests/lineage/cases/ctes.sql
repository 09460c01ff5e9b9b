with r(n) as (select a from t) select * from r;

with recursive r(n, p) as (select id, a from t union all select n+1, u.c from r join u on u.id = r.n where n<3) select * from r;

with recursive r as (select 1 as n union all select n+1 from r where n<5) select n from r;

with t as (select id, b as a from t) select a from t;

with x as (select 1 as a), y as (with x as (select b as a from t) select a from x) select y.a, x.a as xa from x, y;

with a as (from t), b as (select id, sum(b) over (partition by grp) as z from a) from b;

select unnest(tree, recursive := true) from o;

with recursive tree(id, path, depth) as (select id, [id], 0 from t where id = 1 union all select t.id, list_append(tree.path, t.id), depth + 1 from tree join t on t.id = tree.id + 1) select id, len(path) as n, depth from tree;

with recursive a as (select id, b from t), r as (select id, b as k from a union select r.id, r.k from r join u on u.id = r.id) from r;

with a as materialized (select id from t), b as not materialized (select * from a) select * from b;
