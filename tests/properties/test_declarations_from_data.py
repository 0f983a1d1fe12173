"""`lakehouse init --from-data` on drawn files: every value is read as an independent reader reads it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lakehouse_cli.inference.project import infer_project
from lakehouse_cli.model import ProjectSpec, Table
from tests.cli.independent_reading import load, misread, read_by_lakehouse

CELLS = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False).map(repr),
    st.sampled_from(
        [
            "",
            "NA",
            "None",
            "007",
            "1E5",
            "-0",
            "+1",
            "1.0",
            "1,5",
            "1,234",
            "1.234",
            "true",
            "False",
            "nan",
            "inf",
            " 7 ",
        ]
    ),
    st.dates().map(str),
    st.sampled_from(["01/02/2024", "31/12/2024", "20240131", "2024-01-01 05:06", "2024-01-01T05:06:07Z", "1 Jan 2024"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0", exclude_categories=("Cs",)), max_size=6),
)


@st.composite
def columns_of_cells(draw: st.DrawFn) -> Iterator[list[list[str]]]:
    """Columns of mostly one kind of cells each."""
    rows = draw(st.integers(1, 8))
    kinds = draw(st.lists(st.sampled_from(CELLS.branches) | st.just(CELLS), min_size=2, max_size=5))
    return [draw(st.lists(kind, min_size=rows, max_size=rows)) for kind in kinds]


def declared(folder: Path, text: str) -> tuple[ProjectSpec, Table, str]:
    """The project that is declared for a file, its table, and the project file."""
    (folder / "a.csv").write_text(text, "utf-8", newline="")
    made = infer_project("p", folder, [str(folder / "a.csv")], lambda *_: None)
    (folder / "lakehouse.yaml").write_text(made.project_file, "utf-8")
    (folder / "transforms.py").write_text("")
    spec = load(folder)
    (table,) = spec.tables.values()
    return spec, table, made.project_file


@settings(max_examples=60)
@given(columns_of_cells(), st.sampled_from(",;\t|"))
def test_any_csv_is_read_independently_alike(
    tmp_path_factory: pytest.TempPathFactory, columns: Any, delimiter: str
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
    rows = [list(row) for row in zip(*columns, strict=True)]
    writer.writerows([[f"name_{at}" for at in range(len(columns))], *rows])
    spec, table, written = declared(tmp_path_factory.mktemp("p"), text.getvalue())
    found = table.columns or ()
    positions = [int(each.name.removeprefix("name_")) for each in found]
    assert not list(misread(read_by_lakehouse(spec, table), found, rows, positions)), written


WORDS = st.text(
    st.characters(codec="utf-8", exclude_characters=";|", exclude_categories=("C", "Z")), min_size=1, max_size=5
)
HEADERS = st.one_of(
    st.sampled_from(["price", "first name", "a,b", "a;b", "x y0", "n 1", "a\tb", "a|b", "#", "'x y'", 'say "hi" x']),
    WORDS.map("h{}".format),
    st.lists(WORDS, min_size=2, max_size=3).map(" ".join).map("h{}".format),
)
SINGLE = st.one_of(
    st.integers(-9999, 9999).map(str),
    st.sampled_from(
        ["007", "NA", "1E5", "2024-01-01", "20240131", "true", "1.5", "5%", "'x'", '"', '"x', "#1", "-", ""]
    ),
    st.sampled_from(["12,09", "296,50", "Jan 5, 2024", "a, b", "1 234", "x y", "2024-01-01 10:00", "5 Oak, 7"]),
    WORDS,
)


@settings(max_examples=150)
@given(HEADERS, st.lists(SINGLE, min_size=1, max_size=8), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_file_of_one_column_keeps_all_rows(
    tmp_path_factory: pytest.TempPathFactory, header: str, values: list[str], quoting: Any
) -> None:
    words = {len(re.split("[ \t]", each)) for each in (header, *values)}
    assume(len(words) > 1 or words == {1})  # else blanks may well divide all lines
    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=quoting).writerows([[header], *([each] for each in values)])
    spec, table, written = declared(tmp_path_factory.mktemp("p"), text.getvalue())
    (column,) = table.columns or ()
    rows = [[each] for each in values]
    assert (column.from_ or column.name) == header, written
    assert not list(misread(read_by_lakehouse(spec, table), [column], rows, [0])), written
