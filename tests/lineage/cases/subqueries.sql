select * from (select t.id, u.id from t,u);

select id, id_1 from (select t.id, u.id from t,u);

select (select max(c) from u where u.id = t.id) as m, a from t;

select a from t where exists (select 1 from u where u.id = t.id and c > 100);

select a from t where id in (select id from u);

select a in (select a from u) as q from t;

select x.y, t.a from t, lateral (select t.b + 1 as y) x;

select x.y from t join lateral (select c + t.b as y from u where u.id = t.id) x on true;

select case grp when 'p' then a end as q, if(a > 10, b, 0) as w, iff from (select *, 1 as iff from t);

select q.w.z, q.k from (select {'k': a, 'w': {'z': b}} as q from t);

select * from (select * from t) x join (select id, c as k from u) y on x.id = y.id;

select a, (select c from u order by c desc limit 1) as mc from t;

select exists(select 1 from u where u.id = t.id) as e, a from t;

select * from t where (a, b) in (select a, c from u);

select * from t where a = (select max(a) from u where u.id <= t.id);

select * from t where a > all (select c from u);

select * from t where a = any (select a from u);

select id, (select count(*) from u where u.id = t.id and exists (select 1 from v where v.id = u.id)) as k from t;

select t.id, array(select c from u where u.id = t.id) as cs from t;

select id, grp from t where grp like 'p%' and b between 5 and (select max(id) + 4 from u);

select q.id from (select id, a as k from t) as q(id, z) where z > 10;

select x.* from (select id, l from t) x;

select [x + y for x in l if x > 1] as q from (select l, b as y from t);

select id, case when exists (select 1 from u where u.id = t.id) then 'y' else grp end as f from t;

select id from t order by (select max(c) from u where u.id = t.id);

select id, a from t limit (select max(id) from u);

select * from t left join (select id, sum(c) as c from u group by id) x using (id);

select t.id, lat.c from t left join lateral (select c from u where u.id = t.id order by c limit 1) lat on true;

select (select a from t where id = 1) + (select max(c) from u) as q;

select exists (select 1 from t where a > 25) as q;

select map_from_entries([(k, v)]) as m from (select grp as k, a as v from t);
