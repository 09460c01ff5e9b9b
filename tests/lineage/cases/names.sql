from (values (1,2));

values (1,2);

from range(3);

from generate_series(1,3);

select t from t;

select #2 from u;

select a q, q+1 r, r+1 w from t;

select a + 1 as id, id + 1 as w from t where id > 1;

from t select a, b where a > 10;

select x: a + 1, y: b from t;

from (from t select id, a + 1 as w) select w;

select g, id from t, generate_series(1, 2) as s(g);

select id, i from t, range(t.id) as q(i);

select list_reduce(l, lambda acc, x: acc + x + a) as r, list_filter(l, lambda x, i: i > 1) f from t;

select id::varchar as id, id + 1 as n from t;
