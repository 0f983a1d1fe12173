"""Text for terminals."""

from __future__ import annotations

import io

import pytest

from lakehouse_cli.errors import Problem, ProjectError
from lakehouse_cli.text.columns import Cell, columns, data_rows
from lakehouse_cli.text.counts import plural
from lakehouse_cli.text.terminal import (
    Terminal,
    folded,
    moments_apart,
    pad,
    printable,
    size_text,
    text_width,
    time_text,
    value_text,
)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, ""),
        (0, "0 B"),
        (999, "999 B"),
        (1900, "1.9 kB"),
        (999_600, "1 MB"),
        (5e8, "500 MB"),
        (1.234e12, "1,234 GB"),
    ],
)
def test_sizes(size: int | None, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, ""), (0.036, "0.04 s"), (9.994, "9.99 s"), (12.34, "12.3 s"), (245, "4 min 05 s"), (3720, "1 h 02 min")],
)
def test_times(seconds: float | None, text: str) -> None:
    assert time_text(seconds) == text


def test_plural() -> None:
    assert (plural(1, "row"), plural(0, "row"), plural(10_000, "row")) == ("1 row", "0 rows", "10,000 rows")


def test_problems_are_counted_with_a_comma() -> None:
    assert ProjectError([Problem("it is wrong")] * 40_000).message == "40,000 problems in the project"


def test_widths_count_columns_of_the_terminal() -> None:
    assert text_width("表") == 2
    assert text_width("e\u0301") == 1
    assert text_width("\x1b[31mred\x1b[0m") == 3
    assert pad("表", 4) == "表  "
    assert Terminal().cut("表表表", 5) == "表表…"
    assert Terminal().cut("short", 5) == "short"
    assert Terminal().cut_middle("daily_temperature_12", 10) == "daily…e_12"
    assert Terminal().cut_middle("daily", 5) == "daily"


def test_what_would_move_the_cursor_is_made_visible() -> None:
    assert printable("a\x1b[2Jb\r\n\t") == "a\\x1b[2Jb\\r\\n\\t"
    assert printable("é 表") == "é 表"
    assert printable("a\u202eb\u200dc") == "a\\u202eb\\u200dc"


@pytest.mark.parametrize(
    ("environ", "tty", "color"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
    ],
)
def test_color(environ: dict[str, str], tty: bool, color: bool) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return tty

    terminal = Terminal.of(Stream(), environ)
    assert terminal.color is color
    assert (terminal.style("x", "red") != "x") is color
    assert (terminal.width is None) is not tty


def test_columns_align_and_the_last_takes_the_rest() -> None:
    rows = [[Cell("a"), Cell("10"), Cell("a long reason")], [Cell("bbb"), Cell("5"), Cell("")]]
    assert columns(Terminal(), ("name", "n", "why"), rows, right=frozenset({1})) == [
        "name   n  why",
        "a     10  a long reason",
        "bbb    5",
    ]
    assert columns(Terminal(width=20), ("name", "n", "why"), rows)[1] == "a     10  a long re…"


def test_columns_shrink_to_fit_the_screen() -> None:
    rows = [[Cell("a_rather_long_name_of_a_table"), Cell("12"), Cell("why it is so, at length")]]
    header = ("table", "rows", "why")
    wide = columns(Terminal(width=80), header, rows, dispensable=(1,), shortened=0, least=20)
    assert wide[1] == "a_rather_long_name_of_a_table  12    why it is so, at length"
    narrow = columns(Terminal(width=40), header, rows, dispensable=(1,), shortened=0, least=20)
    assert narrow == ["table               why", "a_rather_…_a_table  why it is so, at le…"]
    for width in range(16, 80):
        lines = columns(Terminal(width=width), header, rows, dispensable=(1,), shortened=0, least=20)
        assert all(text_width(line) <= width for line in lines)


def test_the_last_column_goes_on_below_itself() -> None:
    rows = [[Cell("a"), Cell("the first; a second one")], [Cell("b"), Cell("x" * 20)]]
    assert columns(Terminal(width=15), ("", "why"), rows, fold=True) == [
        "   why",
        "a  the first",
        "   a second one",
        "b  xxxxxxxxxx",
        "     xxxxxxxxxx",
    ]
    assert columns(Terminal(), ("", "why"), rows, fold=True)[1] == "a  the first; a second one"


def test_names_are_broken_between_their_parts() -> None:
    assert folded("s3://bucket/raw/totals.csv is not there", 20) == [
        "s3://bucket/raw/",
        "  totals.csv is not",
        "  there",
    ]
    reported = folded("data/daily_extremes_of_stations.parquet is not there yet", 41)
    assert reported == ["data/daily_extremes_of_stations.parquet", "  is not there yet"]
    for width in range(5, 60):
        lines = folded("data/daily_extremes_of_stations.parquet is not there", width)
        assert all(text_width(line) <= width for line in lines)
        assert "".join(lines).replace(" ", "") == "data/daily_extremes_of_stations.parquetisnotthere"
        assert not any(". parquet" in line for line in lines)
    assert folded("表表表表表表", 6) == ["表表表", "  表表", "  表"]


def test_identifier_is_broken_only_where_it_is_wider() -> None:
    name = "`" + "_".join(["table"] * 5) + "`"
    for width in range(len(name), 80):
        assert any(name in line for line in folded(f"the content of {name} changed (2 rows)", width))


def test_wide_text_fills_its_lines() -> None:
    assert folded("列 東京都の最高気温、それは高い。", 14) == ["列 東京都の最", "  高気温、それ", "  は高い。"]
    assert folded("列 `最高気温` が", 12) == ["列", "  `最高気温`", "  が"]
    for width in range(8, 40):
        lines = Terminal(width=width).wrap("東京都の最高気温(摂氏)は高い", "  ").split("\n")
        assert all(text_width(line) <= width for line in lines)
        assert "".join(line.strip() for line in lines) == "東京都の最高気温(摂氏)は高い"
    assert text_width(Terminal().cut_middle("東京都の最高気温", 9)) <= 9


def test_long_name_leaves_columns_and_reason_their_room() -> None:
    rows = [[Cell("▸"), Cell("x" * 69), Cell("run"), Cell("a reason of several words " * 5)]]
    header = ("", "table", "action", "why")
    for width, names in ((60, 18), (80, 26), (140, 49)):
        lines = columns(Terminal(width=width), header, rows, dispensable=(2,), shortened=1, shortest=16, fold=True)
        assert lines[0].split() == ["table", "action", "why"]
        assert all(text_width(line) <= width for line in lines)
        assert abs(text_width(lines[1].split()[1]) - names) <= 2
        assert "…" in lines[1]


def test_text_is_broken_between_words() -> None:
    assert Terminal(width=10).wrap("one two three four") == "one two\nthree four"
    assert Terminal(width=4).wrap("longer words") == "longer\nwords"
    assert Terminal(width=10).wrap("  one two three four", "  ") == "  one two\n    three\n    four"
    assert Terminal().wrap("one two " * 50) == "one two " * 50


@pytest.mark.parametrize(
    ("texts", "shown"),
    [
        (["short", "other"], ["short", "other"]),
        (["one long text", "another long text"], ["one long te…", "another lon…"]),
        (["a" * 30 + "x", "a" * 30 + "y"], ["…aaaaaax", "…aaaaaay"]),
        (["a" * 30 + "x" + "z" * 30, "a" * 30], ["…aaaaaaxzzz…", "…aaaaaa"]),
        (["表" * 30 + "x", "表" * 30 + "y"], ["…表表表x", "…表表表y"]),
        (["a" * 30 + "x", "other", "a" * 30 + "y"], ["…aaaaaax", "other", "…aaaaaay"]),
        (["a" * 30, "a" * 30], ["a" * 11 + "…"] * 2),
    ],
)
def test_different_texts_differ_when_cut(texts: list[str], shown: list[str]) -> None:
    assert Terminal().cut_apart(texts, 12) == shown


def test_values_that_differ_look_different() -> None:
    values = ["null", None, "", "x", "x ", '"x"', [1, None, "null"], {"a": "ü"}, True, 1.5, "a\nb"]
    shown = [
        '"null"',
        "null",
        '""',
        "x",
        '"x "',
        '"\\"x\\""',
        '[1, null, "null"]',
        '{"a": "ü"}',
        "true",
        "1.5",
        "a\\nb",
    ]
    assert [value_text(value) for value in values] == shown


@pytest.mark.parametrize(("width", "marked"), [(20, False), (20, True), (10, False)])
def test_data_rows_are_no_wider_than_the_screen(width: int, marked: bool) -> None:
    mark = [Cell("+")] if marked else []
    rows = [[*mark, Cell("x" * 30), Cell("1")], [*mark, Cell("y"), Cell("12345")]]
    header = [*([""] if marked else []), "n" * 30, "amount"]
    first, *lines, last = data_rows(Terminal(width=width), header, rows, [len(header) - 1], marked=marked)
    assert len(lines) == 2
    assert all(text_width(line) <= width for line in (first, *lines))
    assert last.strip() == "… and 1 more column"


def test_numbers_in_the_last_column_are_right_aligned() -> None:
    rows = [[Cell("x"), Cell("1")], [Cell("y"), Cell("12345")]]
    assert data_rows(Terminal(), ("name", "n"), rows, [1], marked=False)[1:] == ["  x         1", "  y     12345"]


@pytest.mark.parametrize(
    ("other", "shown"),
    [
        ("2026-01-01T10:01:00.000", ("2026-01-01 10:00", "2026-01-01 10:01")),
        ("2026-01-01T10:00:02.000", ("2026-01-01 10:00:01", "2026-01-01 10:00:02")),
        ("2026-01-01T10:00:01.500", ("2026-01-01 10:00:01.000", "2026-01-01 10:00:01.500")),
    ],
)
def test_moments_are_told_apart(other: str, shown: tuple[str, str]) -> None:
    assert moments_apart("2026-01-01T10:00:01.000", other) == shown
