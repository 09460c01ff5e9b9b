select s.x, s.y.z, s['x'], struct_extract(s,'x') from t;

select t.s.y.z from t;

select s.* from t;

select t.s.x + 1 as k, t.grp from t;

select struct_pack(a := t.a, b := u.c) as sp from t join u on t.id = u.id;

select map {'k': a} as m, [a, b] as l, l[1] as f from t;

select name, list(struct_pack(k := id, w := amt) order by d) as items from v group by all;

select name, max(struct_pack(d := d, amt := amt)).amt as last_amt from v group by name;

select s.y from t;

select tt.s.y.z as z from t tt;

select struct_insert(s, k := a) as s2 from t;

select s.x as sx, sum(s.y.z) as z from t group by s.x;

select {'a': a, 'n': {'b': b}}.n.b as q from t;

select map {'k': a}['k'] as v, map {'k': [a, b]} as m from t;

select struct_pack(p := a, q := b).p as p from t;
