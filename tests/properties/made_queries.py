"""Queries made at random: relations of integers `c0`, `c1`, …, of others, by every clause that lineage is about.

Where rows are cut, they are ordered by all columns, so that the same rows are cut each time.
"""

from __future__ import annotations

from random import Random

_BASES = (
    ("select a as c0, c as c1, b as c2 from t", 3),
    ("select a as c0, x as c1 from u", 2),
    ("select y as c0, z as c1, k as c2 from w", 3),
    ("select c as c0, unnest(l) as c1 from t", 2),
    ("select s.f as c0, a as c1 from t", 2),
)
_NUMBERS = 2  # of each relation, the first two columns are numbers, or null


def made_query(chance: Random, depth: int) -> str:
    """A query of up to so many steps on each path."""
    return _Maker(chance).relation(depth)[0]


class _Maker:
    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def _one(self, *choices: str) -> str:
        return self._chance.choice(choices)

    def _any(self, count: int, name: str = "") -> str:
        """Any column."""
        return f"{name}{'.' if name else ''}c{self._chance.randrange(count)}"

    def _number(self, name: str = "") -> str:
        return self._any(_NUMBERS, name)

    def _value(self, name: str = "") -> str:
        one = self._number(name)
        return self._one(one, f"{one} + {self._number(name)}", f"case when {self._test(name)} then {one} end", "1")

    def _test(self, name: str = "", other: str | None = None) -> str:
        """A condition on one relation, or on two."""
        sign = self._one("=", "<", "<>", ">=", "is not distinct from")
        right = self._number(name if other is None else other) if other or self._chance.random() < 0.5 else "2"
        return f"{self._number(name)} {sign} {right}"

    def _aggregate(self) -> str:
        inside = self._one("sum", "max", "count", "count(distinct")
        value = f"{inside} {self._number()})" if inside.endswith("distinct") else f"{inside}({self._number()})"
        return self._one(value, f"{value} filter (where {self._test()})", "count(*)")

    def _window(self) -> str:
        over = self._one("", f"partition by {self._number()}")
        aggregate = self._one(f"sum({self._number()})", "count(*)", f"min({self._number()})")
        return self._one(f"{aggregate} over ({over})", f"rank() over ({over} order by {self._number()})")

    def relation(self, depth: int) -> tuple[str, int]:
        """A query and how many columns it has."""
        if depth == 0:
            return self._chance.choice(_BASES)
        steps = (
            *(self._filtered, self._projected, self._joined, self._grouped, self._windowed, self._distinct),
            *(self._united, self._cut, self._scalar, self._exists, self._member, self._lateral, self._named),
            *(self._recursive, self._total),
        )
        return self._chance.choice(steps)(depth - 1)

    def _filtered(self, depth: int) -> tuple[str, int]:
        query, count = self.relation(depth)
        how = self._one(
            f"where {self._test()}", f"where {self._test()} or {self._test()}", f"qualify {self._window()} > 1"
        )
        return f"select * from ({query}) {how}", count

    def _projected(self, depth: int) -> tuple[str, int]:
        query, count = self.relation(depth)
        return f"select {self._value()} as c0, {self._value()} as c1, {self._any(count)} as c2 from ({query})", 3

    def _joined(self, depth: int) -> tuple[str, int]:
        (left, _), (right, count) = self.relation(depth), self.relation(0)
        kind = self._one("join", "left join", "full join", "right join", "semi join", "anti join")
        if kind.startswith(("semi", "anti")):
            return f"select x.c0, x.c1 from ({left}) as x {kind} ({right}) as y on {self._test('x', 'y')}", 2
        on = self._one(f"on {self._test('x', 'y')}", f"on {self._test('x', 'y')} and {self._test('y')}", "using (c0)")
        return f"select x.c0, y.c1, {self._any(count, 'y')} as c2 from ({left}) as x {kind} ({right}) as y {on}", 3

    def _grouped(self, depth: int) -> tuple[str, int]:
        query, _ = self.relation(depth)
        having = self._one("", f"having {self._aggregate()} > 1")
        columns = f"{self._number()} as c0, {self._aggregate()} as c1"
        how = self._one("group by all", "group by rollup (1)") if not having else "group by 1"
        return f"select {columns} from ({query}) {how} {having}", 2

    def _total(self, depth: int) -> tuple[str, int]:
        query, _ = self.relation(depth)
        return f"select {self._aggregate()} as c0, {self._aggregate()} as c1 from ({query})", 2

    def _windowed(self, depth: int) -> tuple[str, int]:
        query, _ = self.relation(depth)
        return f"select {self._number()} as c0, {self._window()} as c1 from ({query})", 2

    def _distinct(self, depth: int) -> tuple[str, int]:
        query, count = self.relation(depth)
        on = self._one("", f"on ({self._number()})")
        order = f" order by {', '.join(f'c{place}' for place in range(count))}" if on else ""
        return f"select distinct {on} * from ({query}){order}", count

    def _united(self, depth: int) -> tuple[str, int]:
        (left, _), (right, _) = self.relation(depth), self.relation(0)
        how = self._one("union", "union all", "except", "intersect", "union all by name")
        return f"select c0, c1 from ({left}) {how} select {self._one('c0, c1', 'c1 as c0, c0 as c1')} from ({right})", 2

    def _cut(self, depth: int) -> tuple[str, int]:
        query, count = self.relation(depth)
        limit = self._one("2", "50%", "1 offset 1")
        return (
            f"select * from ({query}) order by c1 desc, {', '.join(f'c{i}' for i in range(count))} limit {limit}",
            count,
        )

    def _scalar(self, depth: int) -> tuple[str, int]:
        (query, count), (inner, _) = self.relation(depth), self.relation(self._chance.randint(0, 1))
        where = self._one("", f"where {self._test('y', 'x')}", f"where {self._test('y', 'x')} and {self._test('y')}")
        what = self._one(f"max({self._number('y')})", "count(*)", f"sum({self._number('y')} + {self._number('x')})")
        cut = f"select {self._number('y')} from ({inner}) as y {where} order by 1 limit 1"
        value = self._one(f"select {what} from ({inner}) as y {where}", cut)
        return (
            f"select {self._number('x')} as c0, ({value}) as c1, {self._any(count, 'x')} as c2 from ({query}) as x",
            3,
        )

    def _exists(self, depth: int) -> tuple[str, int]:
        (query, count), (inner, _) = self.relation(depth), self.relation(self._chance.randint(0, 1))
        negated = self._one("", "not ")
        where = self._one(self._test("y", "x"), f"{self._test('y', 'x')} and {self._test('x', 'y')}", self._test("y"))
        return f"select * from ({query}) as x where {negated}exists (from ({inner}) as y where {where})", count

    def _member(self, depth: int) -> tuple[str, int]:
        (query, count), (inner, _) = self.relation(depth), self.relation(self._chance.randint(0, 1))
        how = self._one("in", "not in", "= any", "> all")
        where = self._one("", f"where {self._test('y', 'x')}")
        found = f"{self._number('x')} {how} (select {self._number('y')} from ({inner}) as y {where})"
        if self._chance.random() < 0.5:
            return f"select * from ({query}) as x where {found}", count
        return f"select {self._number('x')} as c0, ({found})::int as c1 from ({query}) as x", 2

    def _lateral(self, depth: int) -> tuple[str, int]:
        (query, _), (inner, _) = self.relation(depth), self.relation(0)
        where = self._one("", f"where {self._test('y', 'x')}")
        cut = self._one("", f"order by all limit {self._chance.randint(1, 2)}")
        value = self._one(
            f"{self._number('x')} as v", f"{self._number('x')} + {self._number('y')} as v", "sum(y.c0) as v"
        )
        cut = "" if "sum" in value else cut
        joined = self._one("join lateral", "left join lateral")
        applied = f"select {value} from ({inner}) as y {where} {cut}"
        return f"select {self._number('x')} as c0, z.v as c1 from ({query}) as x {joined} ({applied}) as z on true", 2

    def _named(self, depth: int) -> tuple[str, int]:
        query, _ = self.relation(depth)
        hint = self._one("", "materialized", "not materialized")
        joined = f"from m as x join m as y on {self._test('x', 'y')}"
        return (
            f"with m as {hint} ({query}) select x.c0, {self._number('y')} as c1 {joined} where y.c0 is not null",
            2,
        )

    def _recursive(self, depth: int) -> tuple[str, int]:
        (query, _), (step, _) = self.relation(depth), self.relation(0)
        on = self._test("r", "y")
        body = f"select c0, 1 from ({query}) {self._one('union', 'union all')} select y.c1, r.c1 + 1"
        step = f"from r join ({step}) as y on {on} where r.c1 < 3"
        return f"with recursive r(c0, c1) as ({body} {step}) select c0, c1 from r", 2
