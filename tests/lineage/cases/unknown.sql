select * from nowhere;

select x, y + 1 as z from nowhere;

with src as (select * from nowhere) select x, src.y from src;

with src as (select * exclude (x) from nowhere) select x, y from src;

with src as (select * rename (x as k) from nowhere) select k, x, y from src;

select k, a, x from nowhere n join t on n.k = t.id;

select x from nowhere a join elsewhere b on a.k = b.k;

select a.x, b.y from nowhere a join elsewhere b using (k);

select * from nowhere natural join t;

select * from nowhere union all select * from elsewhere;

with b as (select * from nowhere union all select * from elsewhere) select x from b;

select id, a from t union all select * from nowhere;

select a from t where id in (select id from nowhere);

select missing from t;

select a from t where missing > 1;

select q.* from t;

select t.s.nothing from t;

select * from read_parquet('in/*.parquet') p;

select p.x, t.a from 'in/file.parquet' p join t on t.id = p.id;

select je.value, t.id from t, json_each(t.grp) je;

pivot u on c using sum(a) group by id;

with p as (pivot u on c using sum(a) group by id) select id, "100" from p;

select columns(x -> x like upper('a%')) from u;

select x.y.z from nowhere;

select 1 as one, 'x' as two, current_date as three;

select id, id as c from "Lake"."Marts"."Orders" join "T" using (id);
