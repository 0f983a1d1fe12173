"""Queries that SQLite understands are understood by what looks for its comparisons."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from lakehouse_cli.storage_types.sqlite_select import UnreadableError, read_select

QUERIES = [
    "select a, t.b, [a], `b`, \"a\" \"x\", 'y' as 'z' from t as t, u v cross join u, (t join u on 1) where not a = 1",
    "select distinct *, t.* from main.t indexed by i left outer join u using (a, b) where a is not distinct from b",
    "select all a from t natural full join u group by 1, a + 1 having max(b) > 0"
    " order by a collate nocase desc nulls last",
    "with recursive r(i) as not materialized (values (1), (2) union all select i + 1 from r where i < 5), q as"
    " (select 1) select * from r, q limit 3 offset 1",
    "select a from t union all values (1) except select a from u intersect select b from u order by 1 limit 1, 2",
    "select sum(distinct a) filter (where b > 0) over (w rows between 1 preceding and (1 + 1) following exclude ties)"
    " from t window w as (partition by a order by b), x as (order by a)",
    "select count(*), count() over x, group_concat(a, ',') from t window x as (order by a range unbounded preceding)",
    "select case a when 1 then 2 else 3 end, case when a then b end, cast(a as decimal(10, -2)),"
    " cast(b as double precision)",
    "select a between 1 and 2 and not b not between 1 and 2 or a not null, a isnull, b notnull, a not in (), b in u.a",
    "select (a, b) in (select a, b from u), (a, b) = (1, 2), exists (select 1), not exists (select 1),"
    " 1 = not exists (select 1)",
    "select a like 'x%' escape '!' or a glob '*' or b not like 'y', -~+a, a || b || 'c' -> '$.x' ->> 0,"
    " a << 1 >> 2 & 3 | 4",
    "select 1e3, .5, 0x1F, x'ab', null, true, current_timestamp, $one, :two, ?3, @four, a == b, a != b,"
    " a <> b, a is not 1",
    "select value from json_each('[1]') j where a in (select 1) /* a */ -- b",
    "select iif(a, 1, 2), replace(a, 'b', 'c'), left.a from t as left",
]


@pytest.mark.parametrize("query", QUERIES)
def test_queries_of_sqlite_are_understood(query: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in ("CREATE TABLE t (a, b)", "CREATE INDEX i ON t (a)", "CREATE TABLE u (a, b)"):
            connection.execute(statement)
        message = ""
        try:
            connection.execute(f"EXPLAIN {query}", {"one": 1, "two": 2, "four": 4, "3": 3})
        except sqlite3.Error as error:
            message = str(error)  # of what is not there, or not in SQLite's version
        assert "syntax" not in message
    assert read_select(query).cores


@pytest.mark.parametrize(
    ("query", "offset"),
    [("select", 6), ("select a from t where", 21), ("select (a", 9), ("select a b c", 11), ("delete from t", 0)],
)
def test_what_is_not_understood_has_its_place(query: str, offset: int) -> None:
    with pytest.raises(UnreadableError) as raised:
        read_select(query)
    assert raised.value.offset == offset


def test_depth_is_limited_and_length_is_not() -> None:
    assert read_select(f"select {' or '.join(['a = 1'] * 5000)}")
    with pytest.raises(UnreadableError):
        read_select(f"select {'(' * 900}a{')' * 900}")
