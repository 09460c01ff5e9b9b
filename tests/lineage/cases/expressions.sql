select list_transform(l, x -> x + a) as q, [y * 2 for y in l if y > b] as w, list_filter(l, lambda z: z > 1) as e from t;

select (s).x, (s).y.z as zz from t;

select id / 2 as x, id // 2 as y, id % 2 as z, id * 2.5 as w, id + 1 as q, id || 'x' as c, d + interval 1 day as e, amt + 1 as g, d - d as h from v;

select try_cast(grp as int) as x, grp::date as y from t where false;

select extract(year from d) as y, d::timestamp as ts, current_date as cd, strftime(d, '%Y') as f, name like 'n%' as li, length(name) le, name[1] n1 from v where current_date > d;

select a.id, b.id as b_id from t a, t b where a.id < b.id;

from t where a > 10;

select s from t;

select list_transform(l, lambda x: list_transform(l, lambda y: y + x)) as q from t;

select id from t tablesample 100%;

select date_diff('day', d, current_date) as age, d::varchar || name as k from v;

select try_cast(name as integer) as x, name[2:3] as y, name ilike '%1' as z, regexp_extract(name, '(\d)', 1) as w from v;

select t.id as "Order ID", "t"."a" as "Total $" from "t";

select T.ID, T.A from T;

select row(a, b) as r, (a, b) as r2 from t;

select if(a > 10, 'hi', grp) as f, ifnull(grp, 'z') g from t;
