select unnest(s), unnest(l) from t;

select unnest(l) as q, a from t;

from unnest([1,2]);

select * from t, unnest(l);

select * from t, unnest(l) as u;

select q.w, a from t, unnest(l) as q(w);

select o.id, x.unnest.k, x.unnest.n from o, unnest(o.tree) as x;

select o.id, e.k from o, (select unnest(tree) as e from o o2 where o2.id = o.id);

select id, e.k from (select id, unnest(tree) as e from o);

select x from (select unnest(l) as x, a from t) where x > 2;

select sum(x) from (select unnest(l) as x from t);

select id, x from t, unnest(l) as _(x) where x > 1;

select id, k.x from t cross join lateral (select unnest(t.l) as x) k;

select id, e.unnest as item from t, unnest(t.l) e;

select unnest(tree).k as k from o;

select unnest([a, b]) as v, id from t;

select unnest(generate_series(1, id)) as g from t;
