select t.*, u.* from t join u using(id);

select * from t full join u using(id);

select id, t.id as tid, u.id as uid, c from t full join u using(id);

select * from t right join u using(id);

select * from t left join u using(id) join v using (id);

select * from t natural join u;

select c from t natural left join u;

select count(*), sum(a), a+1, a::varchar, cast(a as bigint), upper(grp), 1, 'x', a as "Q" from t group by all;

select * from t asof join u on t.id>=u.id;

select * from t asof join u using(a, id);

select * from t positional join u;

select * from t semi join u using (id);

select * from t anti join u on t.id = u.id;

select m.a, n.a as na from t m join t n on m.id = n.b - 4;

select t.a, u.c from (t join u using (id));

select * from t left join (u join v on u.id = v.id) on t.id = u.id;

select coalesce(t.a, u.a, 0) as x, nullif(t.a, 10) as y, greatest(t.a, u.a) z from t left join u on t.id = u.id;

select t.* from t, u where t.id = u.id;

select * from t cross join u;

select u.*, t.a from u left join t on t.id = u.id and t.b > 5;

select * from (values (1, 'p'), (2, 'q')) z(i, g) join t on t.grp = z.g;

select t.id from t join u on t.id = u.id group by t.id having count(*) > 0;

select t.id, sum(case when u.c > 100 then u.a else 0 end) as s, count(*) filter (where t.b > 5) as n, max(u.c) - min(u.c) as spread from t left join u using (id) group by t.id having count(*) > 0 order by 2 desc;

select coalesce(t.id, u.id) as id, t.a, u.c from t full outer join u on t.id = u.id;

select t.id, v.amt from t asof left join v on t.id = v.id and t.a >= v.id;

select p.* from t p positional join u q;

from t, u select t.id, u.c where t.id = u.id;

select * from (values (1), (2)) as q(k) left join t on t.id = q.k;

select r.range as d, t.id from range(3) r join t on t.id = r.range;

select *, a + 1 as a2 from t left join u using (id, a);

select t.id from t semi join u on t.id = u.id anti join v on v.id = t.id + 1;
