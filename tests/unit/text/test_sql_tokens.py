"""Tokens of queries: what stands between them changes nothing, and whatever DuckDB tells apart they tell apart."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st

from lakehouse_cli.text.sql import literal, placeholders, tokens, without_semicolon
from tests.cases import each_case
from tests.properties.drawn_tables import CHANCES, Chance

#: What DuckDB takes for nothing.
GAPS = [
    " ",
    "\n",
    "\t",
    "\r\n",
    "\v",
    "\f",
    "-- it's; \"a\n",
    "--\r",
    "/**/",
    "/* -- ' \" ; */",
    "/* a /* b */ ' */",
    "--/*\n",
    "/*--\n*/",
]
QUERIES = (
    "select a, 'it''s' as \"A b\", 1e-5, .5, 1., 0x1F, 1_000 from t where a <> -1 and b >= $since;",
    "from t select a :: int, b[1:-1], {'k': [1, 2]}, x'ab', e'\\'', $$ it's -- $$, $q$a$b$q$ order by all",
    'with recursive r(n) as (select 1 union all select n + 1 from r where n < 3) select * from r, "t""s" as é',
    "select sum(a) filter (where b) over (partition by c rows between 1 preceding and current row) from s.t limit 10%",
    "select a ->> '$.k', b || 'x', not c, d is null, list_transform(l, lambda x: x - -1), date '2024-01-01' from t",
    "pivot t on a in ('x', 'y') using sum(b) as s, max(b) group by c",
    "select case when a then b else c end, f(x := 1), f(x => 2), interval 3 day, a ** 2, a // 2, ~a, !~ 'x' from t",
)


DUCKDB = duckdb.connect()


def tree(text: str) -> Any:
    """What DuckDB's parser makes of a query, without places; None for what it cannot parse."""
    [(found,)] = DUCKDB.execute(f"SELECT json_serialize_sql({literal(text)})").fetchall()
    parsed = json.loads(found)
    return None if parsed["error"] else without_places(parsed["statements"])


def without_places(node: Any) -> Any:
    if isinstance(node, list):
        return [without_places(each) for each in node]
    if isinstance(node, dict):
        return {key: without_places(each) for key, each in node.items() if not key.startswith("query_location")}
    return node


@given(query=st.sampled_from(QUERIES), chance=CHANCES)
def test_gaps_between_tokens_change_nothing(query: str, chance: Chance) -> None:
    parts = tokens(query)
    gaps = chance.choices(GAPS, k=len(parts))
    # A comment directly after an operator would be part of it.
    ends = [f"{part} " if part[-1] in "-/*<>=~!@&|:?+" else part for part in parts]
    spaced = "".join(gap + part for gap, part in zip(gaps, ends, strict=True)) + chance.choice(GAPS)
    assert tokens(spaced) == parts
    assert tree(spaced) == tree(query)


@given(query=st.sampled_from(QUERIES), data=st.data())
def test_a_changed_token_changes_the_tokens(query: str, data: st.DataObject) -> None:
    parts = tokens(query)
    at = data.draw(st.integers(0, len(parts) - 1))
    other = data.draw(st.sampled_from([each for each in ["a", "'a'", '"a"', "1", "+", "$a", "A"] if each != parts[at]]))
    assert tokens(" ".join([*parts[:at], other, *parts[at + 1 :]])) != parts


PIECES = ["select", "1", "a", "A", "'a'", "'b'", '"a"', '"a""b"', "--", "/*", "*/", "e", "E'\\'", "x", "b", "n", "u&"]
PIECES += [
    "$$",
    "$a$",
    "$a",
    ".",
    ",",
    "(",
    ")",
    "[",
    "]",
    ":",
    "-",
    "+",
    "*",
    "'",
    "''",
    "from",
    "t",
    "1e",
    "5",
    "_",
    "é",
]
PIECES += [
    "as",
    "null",
    "=",
    ">",
    "<",
    "\\",
    "@",
    "|",
    "&",
    "!",
    "\n",
    "\r",
    " ",
    "\x1c",
    "\x85",
    "\u2028",
    "\u200b",
    "\0",
]
BETWEEN = ["", "", " ", "\n", "--\n", "/**/"]


@pytest.mark.slow
@settings(max_examples=500, suppress_health_check=[HealthCheck.filter_too_much])
@given(CHANCES)
def test_queries_of_equal_tokens_are_the_same(chance: Chance) -> None:
    """Whatever is written, with whatever between: nothing that DuckDB tells apart is lost."""
    written = [(chance.choice(PIECES), *chance.choices(BETWEEN, k=2)) for _ in range(chance.randint(1, 6))]
    one = "select 1" + "".join(gap + piece for piece, gap, _ in written)
    other = "select 1" + "".join(gap + piece for piece, _, gap in written)
    note((one, other))
    assume(tokens(one) == tokens(other))
    trees = [tree(one), tree(other)]
    assert None in trees or trees[0] == trees[1]


@each_case(
    ("one", "other"),
    [
        ("select x'ab'", "select x 'ab'"),
        ("select n'ab'", "select n 'ab'"),
        ("select e'a\\'b'", "select e 'a' 'b'"),
        ("select a\x1cb from t", "select a b from t"),
        ("select a\x85b from t", "select a b from t"),
        ("select a\u2028b from t", "select a b from t"),
        ("select 1. a", "select 1 .a"),
        ("select a--b\n from t", "select a- -b from t"),
        ("select 1 -- a\r, 2", "select 1 -- a , 2"),
        ("select 1 --a\x85, 2", "select 1, 2"),
        ("select 'a'", "select 'A'"),
        ("select a", "select A"),
        ("select 'a''b'", "select 'a' 'b'"),
        ("select 'a  b'", "select 'a b'"),
        ('select "a  b"', 'select "a b"'),
        ("select $$a  b$$", "select $$a b$$"),
        ("select '--'", "select ''"),
        ("select '/* a */'", "select ''"),
    ],
)
def test_different_queries_have_different_tokens(one: str, other: str) -> None:
    assert tree(one) is not None
    assert tree(one) != tree(other)
    assert tokens(one) != tokens(other)


@each_case(
    ("text", "bare"),
    [
        ("select 1", "select 1"),
        ("select 1 ; ; -- end\n", "select 1"),
        ("select ';' /* ; */ ;", "select ';'"),
        ("select 1 -- ;", "select 1"),
        ("select 1; select 2;", "select 1; select 2"),
        (" ;; /* nothing */", ""),
        ("", ""),
        ("select $$;$$;", "select $$;$$"),
    ],
)
def test_the_semicolon_at_the_end_is_left_out(text: str, bare: str) -> None:
    assert without_semicolon(text) == bare


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("select $a, $b_1 + $a", ["a", "b_1", "a"]),
        ("select '$a', e'\\'$b', \"$c\", $d$ $e $d$, $$ $f $$", []),
        ("select 1 -- $a\n, /* $b /* $c */ $d */ $e", ["e"]),
        ("select x$a, $1, $", []),
        ("x>=$a::date and y=any($b)or z<$c", ["a", "b", "c"]),
        ("'it''s $a' || $b", ["b"]),
    ],
)
def test_placeholders_are_outside_of_texts(text: str, names: list[str]) -> None:
    found = placeholders(text)
    assert [name for name, _, _ in found] == names
    assert all(text[begin:end] == f"${name}" for name, begin, end in found)
