select distinct on (grp) grp, a from t order by b desc;

select distinct grp from t;

select a from t order by b limit 1;

select a from t order by b;

select sum(a) filter (where b > 5) as s, string_agg(grp, ',' order by id) as g from t;

select grp, count(*) as n from t group by 1 having sum(a) > 10 order by 2;

select grp as g, count(*) n from t group by g;

select grp, a, count(*) n from t group by rollup (grp, a);

select max_by(a, b) m, list(a order by b) l, arg_min(a, id) n, histogram(b) h from t;

select name, sum(amt) s, avg(amt) a, count(distinct id) c, min(d) d, max(amt) m, median(amt) md from v group by name;

select id, sum(a) s from t group by all order by all limit 2;

select grp, any_value(a) v, first(b order by id) f, bool_and(a > 1) ba from t group by grp;

select list_sort(array_agg(distinct a)) as ar, sum(distinct a) as sd from t;

select distinct on (name) name, amt, d from v order by name, d desc;

select name, amt from v order by all desc limit 1;

select name, list_sum(list(id)) as q, array_agg(id order by d desc)[1] as newest from v group by name;

select grp, count(*) as n from t group by all having n > 1;

select a as x, x + b as y, y * 2 as z from t where z > 0 order by z;

select grp as k, sum(a) as a from t group by k order by a;

select sum(a) as a, max(b) as b from t having a > 0;

select any_value(a order by b desc) v, arg_max(grp, a) g, mode(b) m, quantile_cont(a, 0.5) q from t;

select approx_count_distinct(a) d, bit_and(b) ba, product(a) p, entropy(b) e, kurtosis(a) k from t;

select grp, sum(a) as s from t group by all;

select id, a from t qualify row_number() over (partition by grp order by b, id) = 1;

select t.id, z.q from t, lateral (select max(u.c) as q from u where u.id = t.id) z;

select [x + a for x in l if x > id] as m, list_filter(l, lambda x: x > b) as f from t;
