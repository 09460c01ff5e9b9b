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
