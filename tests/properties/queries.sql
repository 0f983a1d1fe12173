-- Queries of every kind, one a line, over the tables of test_column_lineage.py.
select a+1 as q from t where b='x'
with m as (select a, c from t where b='x') select a, sum(c) as total from m group by a
with m as (with n as (select a as aa from t) select aa from n), n as (select x from u) select m.aa, n.x from m, n
with recursive r as (select a, 1 as depth from t where b = 'r' union all select u.a, depth+1 from r join u on u.x = r.a where depth < 5) select a, depth from r
with recursive r as (select a from t union select u.a from r join u on u.x = r.a) select a from r
select a, (select max(x) from u where u.a = t.a and u.k <> 'q') as m from t
select a, (select max(x) from u) as m from t
select a, (select x from u where u.k = 'v') as m from t
select * exclude (b) from t
select * replace (c*2 as c) from t
select columns('[ab]') from t
select t.* rename (a as aa) from t
select max(columns(*)) from u
select t.a, u.x from t join u using (a)
select * from t natural join u
select t.a, u.x from t left join u on t.a = u.a and u.k = 'p'
select coalesce(t.a, u.a) as a from t full join u on t.a = u.a
select a from t full join u using (a)
select t.a, l.q from t, lateral (select x + t.c as q from u where u.a = t.a) l
select a, unnest(l) as e from t
select a, e from t, unnest(l) as q(e)
select a, sum(c) over (partition by b order by d) as s, row_number() over () as r from t
select a, c from t qualify row_number() over (partition by b order by d desc) = 1
select a, b, sum(c) as s from t group by all
select a from t group by a having sum(c) > 3
select a from t union select a from u
select a, b from t union all by name select k as b, a from u
select a from t except select a from u
select a from t intersect all select a from u
select * from (values (1, 'x')) as v(i, n)
select t.s.f as f, s.g, (s).f + 1 as h from t
select tt.a from t as tt where tt.c > 1
select a*2 as aa from t where aa > 3
select a*2 as aa, count(*) as n from t group by aa
from t
from t select a where c > 1
from (pivot w on k in ('p','q') using sum(z) group by y)
from (pivot w on k in ('p','q') using sum(z))
from (unpivot w on y, z into name n value v)
select a from t where exists (select 1 from u where u.a = t.a and u.x > 1)
select a from t where a in (select a from u where k = 'i')
select a, a in (select a from u where k = 'i') as f from t
select a, c > any (select x from u) as f from t
select t.a, x from t positional join u
select list_filter(l, lambda e: e > c) as m from t
select list_transform(l, lambda e: e + a) as m from t
select [e + a for e in l if e > c] as m from t
select T.A, "B" from T
select "A b", "od.d"."c.d" from "od.d"
select t.a, u.x from t asof join u on t.a = u.a and t.c >= u.x
select distinct a, b from t
select distinct on (b) a, c from t order by b, d
select a from t order by c limit 3
select a from t order by c limit (select max(y) from w)
select a from t limit 50%
select t from t
select struct_pack(q := a, r := b) as p from t
select s.* from t
select sum(c) filter (where b = 'y') as s, string_agg(b, ',' order by d) as g from t
select a, grouping(a) as g, count(*) as n from t group by rollup (a, b)
select a from t semi join u using (a)
select a from t anti join u on t.a = u.a and u.x > 2
select * from (summarize u)
select * from (describe u)
select x.a, y.a as b from t x, t y where x.c = y.c
select case when b = 'x' then c else a end as v from t
select range as i, a from t, range(t.a)
select a, g from t, generate_series(1, t.a) q(g)
select count(*) as n from t
select a from t where c = (select max(x) from u)
select array_agg(distinct b order by b) as l from t
with m as materialized (select a, c from t) select x.a, y.c from m x join m y using (a)
select a, first_value(c) over w1 as f from t window w1 as (partition by b order by d rows between 1 preceding and a following)
select a, lag(c, 1, a) over (order by d) as f from t
select (select count(*) from u where u.a > t.a and exists (select 1 from w where w.k = u.k and w.y = t.a)) as n from t
select t.a, x from t join u on (t.a = u.a or t.c < u.x)
select a from t where a in (1,2,3) and b like 'x%' and c between 1 and a
select a from t where (a, b) in (select a, k from u)
select now() as n, a from t
select $p + a as v from t where b = $word
select a from t where a in (select unnest($ids))
select try_cast(b as int) as i, b::date as d from t
select sum(n) as s from (select count(*) as n, b from t group by b) where b > 'x'
select u.k, sum(t.c) from t right join u on t.a=u.a group by u.k
select * from t, u where t.a = u.a
select a.q from (select t.a as q from t) as a
select unnest(s) from t
select unnest([s], recursive := true) from t
select a, b from t order by all
select map {'k': a}['k'] as v from t
select a as b, b as a from t
select distinct on (a) * from t
select rank() over (order by sum(c)) as r, b from t group by b
select arg_max(a, c) as m, b from t group by b
select t1.a from t t1 where t1.c > (select avg(c) from t t2 where t2.b = t1.b)
select a from t where not exists (from u where u.a = t.a)
select a, list(x order by k) as xs from t join u using(a) group by 1
select d + interval 1 day as e from t
select date_trunc('month', d) as m, count(distinct a) as n from t group by 1 order by 2 desc limit 5
select a from t where b is not distinct from (select k from u limit 1)
select (from u select x limit 1) as m, a from t
select a from (table t)
select 1 as one
select t.a, l.q from t, lateral (select t.b as q, z.y from (select y from w join (select t.b as p) zz on w.k is not distinct from zz.p) z) l
select l.q, count(*) as n from t, lateral (select t.b as q from w where w.y > t.a) l group by l.q
select t.a, q.x from t left join lateral (select x from u where u.a = t.a order by x limit 1) q on true
select a from t where c > all (select x from u where u.k = t.b)
select a from t where a = any(l)
select sum(a order by b, a) filter (where c > 1) over (partition by l order by d, a, c groups between 1 preceding and a following exclude ties) as v from t
select a from t intersect select a from u
select e, o from t, unnest(l) with ordinality as q(e, o)
select a, e from t left join unnest(l) as q(e) on true
select t.a, x from t join u on (t.a = u.a or t.c < u.x) and t.b = u.k
select t.a, u.x from t asof left join u on t.a = u.a and t.c > u.x
select t.a, w.z from t inner join u on t.a = u.a left join w on w.k = u.k and w.y > t.c
select * from t join u using (a) right join w using (k)
select list_transform(l, lambda x: list_transform(l, lambda y: x + y + a)) as m from t
select list_reduce(l, lambda x, y: x + y * a) as m from t where len(l) > 0
select x.n from (select struct_pack(n := a, m := b) as x from t)
select a in l as f from t
select sum(a) as s, count(*) as n from t group by grouping sets ((b), (), (c, b))
select a, (select sum(x) from u where u.a = t.a group by u.k having count(*) > 1 order by 1 limit 1) as v from t
select a, exists (select 1 from u join w on w.k = u.k where u.a = t.a and w.z > t.c) as f from t
select a, (select count(*) from w where w.y = t.a and w.z in (select x from u where u.k = t.b)) as n from t
with m as (select k, sum(x) as s from u group by k) select t.b, m.s, (select max(s) from m as o where o.k <> t.b) as other from t left join m on m.k = t.b
with m as (select a, row_number() over (partition by b order by c, d, a) as r from t) select a from m where r = 1
select j.value from (select '[1,2]' as b, a from t) as h, json_each(h.b) as j where a > 1
select first(a order by c, a) as f, last(b order by d, b) as g, max_by(a, c) as h from (select distinct a, b, c, d from t)
select a from t where (select count(*) from u where u.a > t.a) > 1
select case when exists (select 1 from u where k = 'x') then a end as v from t
select sum(a) over w1 as s, count(*) over w1 as n from t window w1 as (partition by b)
select b, sum(a) as s from t where c > 1 group by b having max(d) > date '2023-12-08' order by s desc, b limit 2
select a from t where a not in (select y from w where y is not null)
select coalesce(*columns('a|c')) as v from t
select a + $p as v, b in (select unnest($names)) as f from t where c > $q.low
select t.a from t, u where t.a = u.a union all select y from w where z > 1 union select a from u
from (from t select a, c where b = 'x') as m select a, sum(c) as s group by a
select * from (pivot w on k in ('p', 'q', 'x', 'y', 'i', 'k', 'v', 'r', '1', '2', '3', '4', '5', '6', '7', '8', '9', '0', 'a', 'b', 'c', 'd') using sum(z) group by y)
select nth_value(a, 2) over (order by c, a, d) as v, ntile(2) over (order by a) as n from t
select a, max(c) over (order by a range between 1 preceding and 1 following) as v from t
select k, (select list(z order by z) from w where w.k = u.k) as zs from u
select min(x) as least from u having count(*) > 2
values (1), ((select max(x) from u))
select a from t order by c, a limit (select count(*) from w where y > 1)
select t.a from t, (select x from u where k = 'x') as v
select t.a, v.x from t positional join (select x from u where k = 'x') as v
with recursive r(i, m) using key (i) as (select a, x from u union select r.i, u.x from r join u on u.a = r.i where u.x > r.m) select i, m from r
