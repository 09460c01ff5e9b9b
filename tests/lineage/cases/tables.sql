create table t (id integer, a integer, b integer, s struct(x integer, y struct(z integer)), l integer[], grp varchar);
create table u (id integer, a integer, c integer);
create table v (id integer, d date, amt decimal(10, 2), name varchar);
create table o (id integer, name varchar, tree struct(k varchar, n integer)[]);
insert into t values (1, 10, 5, {'x': 1, 'y': {'z': 2}}, [1, 2, 3], 'p'), (2, 20, 6, {'x': 3, 'y': {'z': 4}}, [4, 5], 'q'), (3, 30, 7, {'x': 5, 'y': {'z': 6}}, [6], 'p');
insert into u values (1, 10, 100), (2, 20, 200), (4, 40, 400);
insert into v values (1, '2020-01-01', 1.50, 'n1'), (2, '2020-02-01', 2.50, 'n2'), (3, '2020-03-01', 3.50, 'n1');
insert into o values (1, 'n1', [{'k': 'p', 'n': 1}]), (2, 'n2', [{'k': 'q', 'n': 2}, {'k': 'r', 'n': 3}]);
