select a from t union all by name select c from u;

select a, b from t union all select a, c from u;

select a, b from t union select a, c from u;

select a from t except select a from u;

select id, a from t intersect select id, a from u;

(select a from t) union all (select c from u) order by 1 limit 2;

select a from (select a, b from t union all select c, id from u) where b > 2;
