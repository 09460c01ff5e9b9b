pivot u on c in (100,200) using sum(a);

pivot u on c in (100,200) using sum(a), max(id);

pivot u on c in (100,200) using sum(a) as s, max(id) as m;

pivot u on c in (100,200) using sum(a) group by id;

pivot u on c using sum(a) group by id;

select * from u pivot (sum(a) for c in (100 as one, 200) group by id);

select * from u pivot (sum(a) as s, max(a) for c in (100 as one, 200) group by id);

unpivot u on a, c into name n value v;

unpivot u on a, c;

unpivot u on (a, c), (c,a) into name n value v, w;

unpivot u on columns(* exclude (id)) into name n value v;

select * from u unpivot (v for n in (a, c));
