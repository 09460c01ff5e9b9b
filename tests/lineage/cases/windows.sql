select grp, sum(a) over (partition by grp order by b) s from t;

select grp, sum(a) over w s, row_number() over w rn from t window w as (partition by grp order by b);

select id from t qualify row_number() over (partition by grp order by b desc) = 1;

select a, lag(a) over (order by id) p from t;

select d, year(d) y, date_trunc('month', d) as m, amt * 2 as am, sum(amt) over () as t, avg(amt) over () av from v;

select a, rank() over (partition by grp order by (select max(c) from u)) as r from t;

select id, d, sum(amt) over (order by d range between interval 30 day preceding and current row) as r30 from v;

select id, first_value(name) over w as f, last_value(name) over w as l, nth_value(amt, 2) over w as n2 from v window w as (order by d rows between unbounded preceding and unbounded following);

select id, sum(a) over (w rows 1 preceding) as s from t window w as (partition by grp order by id);

select id, count(*) over () as n, ntile(2) over (order by a) as nt, percent_rank() over (order by b) p from t;

select id from (select id, rank() over (partition by grp order by a) r from t) where r = 1;

select max(a) filter (where grp = 'p') over (partition by id) as m from t;
