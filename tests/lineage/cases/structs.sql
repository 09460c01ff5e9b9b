select s.x, s.y.z, s['x'], struct_extract(s,'x') from t;

select t.s.y.z from t;

select s.* from t;

select t.s.x + 1 as k, t.grp from t;

select struct_pack(a := t.a, b := u.c) as sp from t join u on t.id = u.id;

select map {'k': a} as m, [a, b] as l, l[1] as f from t;
