pivot u on c in (100,200) using sum(a);

pivot u on c in (100,200) using sum(a), max(id);

pivot u on c in (100,200) using sum(a) as s, max(id) as m;

pivot u on c in (100,200) using sum(a) group by id;

pivot u on c using sum(a) group by id;

select * from u pivot (sum(a) for c in (100 as one, 200) group by id);

select * from u pivot (sum(a) as s, max(a) for c in (100 as one, 200) group by id);

unpivot u on a, c into name n value v;

unpivot u on a, c;

unpivot u on (a, c), (c,a) into name n value v, w;

unpivot u on columns(* exclude (id)) into name n value v;

select * from u unpivot (v for n in (a, c));

unpivot (select id, a, b from t) on a, b into name metric value v;

unpivot t on (a, b) as first, (b, a) as second into name n value p, q;

with u2 as (unpivot u on a, c into name n value v) select n, sum(v) s from u2 group by n;

with p as (pivot t on grp in ('p', 'q') using sum(a) as total, count(*) as n group by id) select id, p_total, q_n from p;

select * from (pivot v on name in ('n1','n2') using sum(amt) group by d) x order by d;

pivot (select grp, a, id % 2 as odd from t) on odd in (0, 1) using sum(a);

pivot t on grp in ('p'), b in (5, 7) using sum(a) group by id;

select * from u unpivot include nulls (v for n in (a as 'first', c));
