select grp, sum(a) over (partition by grp order by b) s from t;

select grp, sum(a) over w s, row_number() over w rn from t window w as (partition by grp order by b);

select id from t qualify row_number() over (partition by grp order by b desc) = 1;

select a, lag(a) over (order by id) p from t;

select d, year(d) y, date_trunc('month', d) as m, amt * 2 as am, sum(amt) over () as t, avg(amt) over () av from v;

select a, rank() over (partition by grp order by (select max(c) from u)) as r from t;
