select list_transform(l, x -> x + a) as q, [y * 2 for y in l if y > b] as w, list_filter(l, lambda z: z > 1) as e from t;

select (s).x, (s).y.z as zz from t;

select id / 2 as x, id // 2 as y, id % 2 as z, id * 2.5 as w, id + 1 as q, id || 'x' as c, d + interval 1 day as e, amt + 1 as g, d - d as h from v;

select try_cast(grp as int) as x, grp::date as y from t where false;

select extract(year from d) as y, d::timestamp as ts, current_date as cd, strftime(d, '%Y') as f, name like 'n%' as li, length(name) le, name[1] n1 from v where current_date > d;
