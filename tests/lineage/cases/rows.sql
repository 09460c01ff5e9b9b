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
