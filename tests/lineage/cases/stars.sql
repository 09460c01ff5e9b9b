select min(columns(*)) from u;

select min(columns(*)) as 'm_\0' from u;

select columns('a|b')+1 from t;

select columns(c -> c like 'a%') from t;

select * glob 'a*' from t;

select * not like 'a%' from t;

select t.* exclude(id) from t;

select * exclude (id, s) replace (a+1 as a) from t;

select * rename (id as k) from t;

select coalesce(*columns('a|b')) as z from t;

with a as (select * from t), b as (select * exclude (s, l) from a), c as (select b.*, u.c from b join u using (id)) select * from c where c > 100;

select columns(lambda x: x in ('a','b')) from t;

select columns(['id','a']) from t;

select columns([x for x in (*) if x like 'a%']) from t;

select columns('(.)') as 'p_\1' from u;

select count(columns(*)) over () from u;

with orders as (select * from t), final as (select o.id, o.a as amount, u.c, row_number() over (partition by o.grp order by o.a desc) as rn from orders o left join u on o.id = u.id) select * exclude (rn) from final where rn = 1;

select u.* replace (u.a + t.a as a), t.grp from t join u using (id);

select t.* exclude (s, l), u.* exclude (id, a) from t join u using (id);

select * exclude (t.a) from t join u using (id);

select columns(* exclude (s, l, grp)) * 2 from t;

select sum(columns(['a','b'])) as 'sum_\0' from t;

select grp, max(columns('^(a|b)$')) from t group by grp;

select columns(t.*) from t join u using (id);

select t.* like 'a%', u.* not like 'a%' from t join u using (id);

select * not similar to 'a.*' from u;
