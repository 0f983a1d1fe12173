"""Rows are counted as they are read, in every format, without being read."""

from __future__ import annotations

import io
from typing import Any
from unittest import mock

from hypothesis import assume, example, given
from hypothesis import strategies as st

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.formats import FORMATS, compression
from lakehouse_cli.registry import Entry, load
from tests.properties.drawn_tables import CHANCES, LAW, Chance, tables
from tests.properties.test_formats_round_trip import options_of_each, written


def format_of(name: str) -> Any:
    return load(Entry(FORMATS[name].implementation))()


@LAW
@given(CHANCES)
def test_what_is_written_is_counted(chance: Chance) -> None:
    table, _ = tables(chance)
    for name, options in options_of_each(chance).items():
        try:
            stored = written(name, table, options)
        except LakehouseError:
            continue
        counted = format_of(name).count_rows(lambda: io.BytesIO(stored), "x", FORMATS[name].checked(options))  # noqa: B023
        assert counted == table.num_rows, name


SOUP = st.lists(st.sampled_from(["a", ",", "\n", "\r", "\r\n", '"', '""', "'", ";", '"a,\n"', " "]), max_size=40)
DIALECTS: list[dict[str, Any]] = [
    {},
    {"header": False},
    {"quote_char": "'"},
    {"delimiter": ";", "skip_rows": 1},
    {"encoding": "utf-16"},
    {"escape_char": ";"},
    {"quote_char": "none", "escape_char": "'"},
]


@LAW
@given(SOUP.map("".join), st.sampled_from(DIALECTS))
@example('a\n"\n"\n\nb\n', {})
@example('a,b\nx"y",1\n"p\nq",2\n', {})
@example('a,b\n"x"y"z,1\n"p\nq",2', {})
@example("a,b\r\n\r\n1,2\r\n\r\n\r\n3,4", {})
@example("a\r\rb\r\n", {})
def test_other_peoples_csv_is_counted_as_it_is_read(text: str, options: dict[str, Any]) -> None:
    stored = text.encode(options.get("encoding", "utf-8"))
    csv = format_of("csv")
    try:
        rows = csv.read(lambda: io.BytesIO(stored), "x.csv", None, FORMATS["csv"].checked(options)).num_rows
    except LakehouseError:
        assume(False)
    assert csv.count_rows(lambda: io.BytesIO(stored), "x.csv", FORMATS["csv"].checked(options)) == rows


@LAW
@given(st.lists(st.sampled_from(['{"a": 1}', "", " ", "\t", "\r", '{"a": "\\n"}']), max_size=20), st.integers(1, 9))
def test_foreign_json_lines_are_counted_as_read(lines: list[str], block: int) -> None:
    stored = "\n".join(lines).encode()
    jsonl = format_of("jsonl")
    with mock.patch.object(compression, "BLOCK", block):
        counted = jsonl.count_rows(lambda: io.BytesIO(stored), "x.jsonl", FORMATS["jsonl"].checked({}))
    assert counted == sum(line.startswith("{") for line in lines)
