select a from t union all by name select c from u;

select a, b from t union all select a, c from u;

select a, b from t union select a, c from u;

select a from t except select a from u;

select id, a from t intersect select id, a from u;

(select a from t) union all (select c from u) order by 1 limit 2;

select a from (select a, b from t union all select c, id from u) where b > 2;

select * from (select * from t union all by name select * from u);

select id, a from t union by name select c, id from u;

select id from t union all select id from u union all select id from v order by id;

(select id, a from t order by b limit 1) union all (select id, c from u);

select a from t except all select a from u;

select a from t union all (select c from u union select id from v);

select id, 'x' as kind from t union all select id, 'y' from u;

select null as n, id from t union all select c, id from u;
