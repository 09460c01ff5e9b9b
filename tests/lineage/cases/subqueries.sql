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
