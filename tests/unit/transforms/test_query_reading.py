"""What is found in a query before there are data, for whatever DuckDB takes for one."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.transforms.queries.analysis import QueryAnalysis
from lakehouse_cli.transforms.queries.inputs import registered
from lakehouse_cli.transforms.queries.results import QueryError, result_of
from tests.cases import each_case

#: Each with the tables that it reads.
READS: dict[str, tuple[str, ...]] = {
    "select 1": (),
    "values (1), (2)": (),
    "from t": ("t",),
    "table t": ("t",),
    "from t select a": ("t",),
    "select * from t, u": ("t", "u"),
    "select * from t as x join u using (id)": ("t", "u"),
    "from t natural join u": ("t", "u"),
    "from t semi join u using (id)": ("t", "u"),
    "from t anti join u using (id)": ("t", "u"),
    "from t asof join u using (id)": ("t", "u"),
    "from t positional join u": ("t", "u"),
    "from t cross join u": ("t", "u"),
    "with t as (select 1) select * from t": (),
    "with t(a) as (values (1)) from t": (),
    "with T as (select 1) select * from t": (),
    "with t as (select 1) select * from main.t": ("t",),
    "with t as (select * from t) select * from t": ("t",),
    "with a as (select * from t), b as (select * from a) select * from b, u": ("t", "u"),
    "with b as (select * from a), a as (select * from t) select * from b, a": ("a", "t"),
    "with a as (with t as (select 1) select * from t) select * from a, t": ("t",),
    "select * from (with t as (select 1) select * from t) join t on true": ("t",),
    "with a as (select 1) select (with b as (from a) select count(*) from b, t)": ("t",),
    "with x as materialized (from t) from x, x as y": ("t",),
    "with recursive r as (select 1 as n union all select n + 1 from r where n < 3) from r": (),
    "with recursive r(n) as (select n from t union all select n + 1 from r where n < 3) from r": ("t",),
    "with recursive r(n) using key (n) as (select n from t union select n from r) from r": ("t",),
    "with recursive r as (select * from r) from r": ("r",),
    "with recursive a as (select 1), b as (select * from a, t) from b": ("t",),
    "select (select max(x) from u where u.id = t.id) from t": ("t", "u"),
    "select * from t where exists (from u where u.id = t.id)": ("t", "u"),
    "select * from t where id in (select id from u)": ("t", "u"),
    "select * from t where id = any (select id from u)": ("t", "u"),
    "select array(select a from u) from t": ("t", "u"),
    "select case when exists (select 1 from u) then 1 end from t": ("t", "u"),
    "select count(*) from t group by a having count(*) > (select count(*) from u)": ("t", "u"),
    "select * from t order by (select max(a) from u)": ("t", "u"),
    "select * from t limit (select count(*) from u)": ("t", "u"),
    "select * from t qualify row_number() over (order by (select max(a) from u)) = 1": ("t", "u"),
    "select sum(a) filter (where a in (select a from u)) from t": ("t", "u"),
    "select {'a': (select max(a) from u)}": ("u",),
    "select * from (values ((select max(a) from u)))": ("u",),
    "from t, lateral (select * from u where u.id = t.id)": ("t", "u"),
    "select * from t, unnest(t.l)": ("t",),
    "select a from t union all select a from u": ("t", "u"),
    "select a from t except select a from u": ("t", "u"),
    "(select a from t) intersect (select a from u order by a)": ("t", "u"),
    "select * from (select * from t order by a)": ("t",),
    "from (from (from t))": ("t",),
    "unpivot t on a, b into name kind value amount": ("t",),
    "from (unpivot t on a, b)": ("t",),
    "pivot t on a in (1, 2) using sum(b)": ("t",),
    "summarize t": ("t",),
    "describe t": ("t",),
    "select * from (describe t)": ("t",),
    'select * from "my table"': ("my table",),
    'select * from "ta""b"': ('ta"b',),
    'select * from "é", ü': ("é", "ü"),
    "select t from t": ("t",),
    "select t.* exclude (a), columns('b') from t": ("t",),
    "select * from t tablesample 10%": ("t",),
    "select * from range(3)": (),
    "select * from 't.csv'": ("t.csv",),
    "select * from main.t": ("t",),
    'select * from "select"': ("select",),
    "select * from sqlite_master": ("sqlite_master",),
    "select 1 -- from u": (),
    "select 'from u' /* from u */": (),
}
COLUMNS = pa.table({"a": [1, 2], "b": [1, 2], "id": [1, 2], "x": [3, 4], "n": [1, 2], "l": [[1], [2]]})


def names(analysis: QueryAnalysis, query: str) -> tuple[str, ...]:
    reading = analysis.read([query])[0]
    assert reading.problem is None
    assert reading.tables is not None
    return tuple(sorted(mention.name for mention in reading.tables))


@each_case(("query", "tables"), READS.items())
def test_tables_are_found(analysis: QueryAnalysis, query: str, tables: tuple[str, ...]) -> None:
    assert names(analysis, query) == tuple(sorted(tables))


@pytest.mark.parametrize("name", ["other.t", "information_schema.tables", "a.b.c"])
def test_tables_elsewhere_have_their_full_name(analysis: QueryAnalysis, name: str) -> None:
    assert names(analysis, f"from {name}") == (name,)


def test_each_spelling_is_found(analysis: QueryAnalysis) -> None:
    assert names(analysis, "select * from t, T as x, t as y") == ("T", "t")


@each_case("query", READS)
def test_duckdb_asks_for_the_same_tables(analysis: QueryAnalysis, connection: Any, query: str) -> None:
    """With those that were found a query can be bound, and without any of them it cannot."""
    found = names(analysis, query)

    def missing(*tables: str) -> bool:
        with registered(connection, dict.fromkeys(tables, COLUMNS)):
            try:
                list(result_of(connection, query, {}, None, order=None))
            except QueryError as error:
                return "two columns" not in error.problem.message
            return False

    assert not missing(*found)
    for name in found:
        # Those are DuckDB's own, behind the project's.
        assert missing(*(each for each in found if each != name)) or name == "sqlite_master"


@pytest.mark.parametrize(
    ("query", "line", "column"),
    [
        ("select * from t", 1, 15),
        ("select 1,\n  (select max(a)\n   from t)", 3, 9),
        ("select 'é€😀', * from t", 1, 22),
        ("select 'é',\r\n  '€'\r\nfrom t", 3, 6),
        ("with a as (select * from t) from a, t", 1, 26),
        ('from "é", t', 1, 11),
    ],
)
def test_the_place_of_a_table_counts_characters(analysis: QueryAnalysis, query: str, line: int, column: int) -> None:
    places = {each.name: (each.line, each.column) for each in analysis.read([query])[0].tables or ()}
    assert places["t"] == (line, column)


@pytest.mark.parametrize(
    "query", ["pivot t on a using sum(b)", "from (pivot t on a using sum(b))", "with p as (pivot t on a) from p, u"]
)
def test_tables_of_a_pivot_are_not_known(analysis: QueryAnalysis, query: str) -> None:
    reading = analysis.read([query])[0]
    assert (reading.problem, reading.tables, reading.sensitive) == (None, None, ("PIVOT",))


@pytest.mark.parametrize(
    ("query", "outside"),
    [
        ("pivot sqlite_master on name using count(*)", ("sqlite_master",)),
        ('from (pivot t on a in (select name from main."SQLite_Master"))', ("sqlite_master",)),
        ("pivot (from histogram('pg_catalog.pg_class', relname)) on bin", ("pg_class",)),
        ("pivot (from histogram($$duckdb_tables$$, sql)) on bin", ("duckdb_tables",)),
        ("pivot (from t, information_schema . tables) on a", ("information_schema",)),
        ('with p as (pivot t on a) from p, "information_schema"."columns"', ("information_schema",)),
        ("pivot (from (show tables)) on name", ("SHOW",)),
        ("pivot (from (describe)) on name", ("SHOW",)),
        ('pivot (from (describe t)) on tables using max("show")', ()),
        ("pivot t on a using sum(columns.b) -- sqlite_master", ()),
    ],
)
def test_the_catalog_in_a_pivot_is_found(analysis: QueryAnalysis, query: str, outside: tuple[str, ...]) -> None:
    assert analysis.read([query])[0].outside == outside


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ("select $a, $b, $a", ("a", "b")),
        ("select '$a', \"$b\" from t -- $c", ()),
        ("from t limit $most", ("most",)),
        ("pivot t on a using sum(b + $more)", ("more",)),
    ],
)
def test_params_are_found(analysis: QueryAnalysis, query: str, params: tuple[str, ...]) -> None:
    assert analysis.read([query])[0].params == params


@each_case(
    ("query", "message"),
    [
        ("select ?", "it has parameters without names"),
        ("select $1", "it has parameters without names"),
        ("select 1; select 2", "it has 2 statements"),
        ("-- nothing", "it is empty"),
        ("", "it is empty"),
        ("insert into t values (1)", "it is no SELECT but INSERT"),
        ("with a as (select 1) insert into t from a", "it is no SELECT but INSERT"),
        ("update t set a = 1", "it is no SELECT but UPDATE"),
        ("delete from t", "it is no SELECT but DELETE"),
        ("create table t as select 1", "it is no SELECT but CREATE"),
        ("create macro f() as 1", "it is no SELECT but CREATE"),
        ("drop table t", "it is no SELECT but DROP"),
        ("copy t to 't.csv'", "it is no SELECT but COPY"),
        ("attach 'other.db'", "it is no SELECT but ATTACH"),
        ("install httpfs", "it is no SELECT but LOAD"),
        ("load httpfs", "it is no SELECT but LOAD"),
        ("set threads = 4", "it is no SELECT but SET"),
        ("pragma version", "it is no SELECT but PRAGMA"),
        ("explain select 1", "it is no SELECT but EXPLAIN"),
        ("export database 'x'", "it is no SELECT but EXPORT"),
        ("prepare p as select 1", "it is no SELECT but PREPARE"),
        ("begin", "it is no SELECT but TRANSACTION"),
    ],
)
def test_what_is_no_select_is_refused(analysis: QueryAnalysis, query: str, message: str) -> None:
    problem = analysis.read([query])[0].problem
    assert problem is not None
    assert problem.message == message
    assert problem.hint


@each_case(
    ("query", "line", "column"),
    [
        ("select * frm t", 1, 14),
        ("select 1,\n  'é' 2\nfrom t", 2, 7),
        ("select '表😀e\u0301' 2", 1, 15),
        ("selec 1", 1, 1),
        ("select (1", 1, 9),
        (f"select {'1, ' * 50}'表' 2, {'3, ' * 50} 4", 1, 162),
        (f"select 1,\n{'é, ' * 60} 5 6 {', 7' * 60}", 2, 184),
        (f"select {'1, ' * 80} 2 3 {', 4' * 80}", 1, 251),
    ],
)
def test_a_syntax_error_has_a_place(analysis: QueryAnalysis, query: str, line: int, column: int) -> None:
    problem = analysis.read([query])[0].problem
    assert problem is not None
    assert "syntax error" in problem.message
    assert "LINE" not in problem.message
    assert (problem.line, problem.column) == (line, column)


@each_case(
    ("query", "ordered"),
    [
        ("from t order by a", True),
        ("from t order by all limit 3", True),
        ("select a from t union all select a from u order by a", True),
        ("(select a from t order by a)", True),
        ("with a as (from t) from a order by 1", True),
        ("from (from t order by a)", False),
        ("select list(a order by a) from t", False),
        ("select row_number() over (order by a) from t", False),
        ("with a as (from t order by a) from a", False),
    ],
)
def test_only_the_outer_order_counts(analysis: QueryAnalysis, query: str, ordered: bool) -> None:
    assert analysis.read([query])[0].ordered is ordered


@each_case(
    ("query", "sensitive"),
    [
        ("select a, count(*), min(b), max(b), bool_and(b > 1) from t group by a", ()),
        ("select distinct a from t", ()),
        ("select a + 1, upper('x') from t join u using (id)", ()),
        ("select sum(a) from t", ("sum",)),
        ("select AVG(a) from t", ("avg",)),
        ("from (select first(a) from t)", ("first",)),
        ("select list(a order by a) from t", ("list",)),
        ("select string_agg(a, ',') from t", ("string_agg",)),
        ("select array(select a from u) from t", ("array_agg",)),
        ("select approx_count_distinct(a) from t", ("approx_count_distinct",)),
        ("select row_number() over (order by a) from t", ("row_number",)),
        ("select count(*) over (order by a) from t", ("count",)),
        ("from t order by a", ("ORDER BY",)),
        ("from t limit 3", ("LIMIT",)),
        ("from t limit 10%", ("LIMIT",)),
        ("from t offset 3", ("LIMIT",)),
        ("with a as (from t limit 3) from a", ("LIMIT",)),
        ("select distinct on (a) a, b from t", ("DISTINCT ON",)),
        ("from t tablesample 10%", ("SAMPLE",)),
        ("from t using sample 3", ("SAMPLE",)),
        ("from t asof join u using (id)", ("ASOF JOIN",)),
        ("from t positional join u", ("POSITIONAL JOIN",)),
        ("select a collate nocase as a from t group by all", ("COLLATE",)),
        ("summarize t", ("SUMMARIZE",)),
        ("with recursive r(n) using key (n) as (select n from t union select n from r) from r", ("USING KEY",)),
    ],
)
def test_what_depends_on_order_or_threads_is_found(
    analysis: QueryAnalysis, query: str, sensitive: tuple[str, ...]
) -> None:
    assert analysis.read([query])[0].sensitive == sensitive


@pytest.mark.parametrize(
    ("query", "random"),
    [
        ("select a from t where a < now()", ()),
        ("select RANDOM(), uuid() from t", ("random()", "uuid()")),
        ("from t where a in (select gen_random_uuid() from u)", ("gen_random_uuid()",)),
        ("from t using sample 3", ("SAMPLE without REPEATABLE",)),
        ("from t tablesample reservoir(3) repeatable (5)", ()),
        ("select 'random()' from t", ()),
    ],
)
def test_what_gives_something_else_each_time_is_found(
    analysis: QueryAnalysis, query: str, random: tuple[str, ...]
) -> None:
    assert analysis.read([query])[0].random == random
