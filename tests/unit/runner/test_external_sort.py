"""Sorting beyond memory: runs on disk, merged, are what sorting in memory gives."""

from __future__ import annotations

import errno
import itertools
import math
import os
from collections.abc import Iterator
from decimal import Decimal
from io import BytesIO
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_cli.arrow.ordering import sort_rows
from lakehouse_cli.errors import StorageError
from lakehouse_cli.runner import external_sort
from lakehouse_cli.runner.external_sort import sort_pieces
from lakehouse_cli.runs import spilled_pieces
from tests.unit.drawn_values import choices

_KINDS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "bool": (pa.bool_(), [True, False]),
    "int": (pa.int64(), [-1, 0, 5]),
    "float": (pa.float64(), [0.0, -0.0, 1.5, math.nan, math.inf, -math.inf]),
    "decimal": (pa.decimal128(5, 1), [Decimal("1.0"), Decimal("-1.5")]),
    "string": (pa.string(), ["", "a", "ab", "é"]),
    "binary": (pa.binary(), [b"", b"\0", b"\xff"]),
    "date": (pa.date32(), [0, 1]),
    "moment": (pa.timestamp("us", "UTC"), [0, -1]),
    "time": (pa.time64("us"), [0, 1]),
    "duration": (pa.duration("ms"), [0, 1]),
    "dictionary": (pa.dictionary(pa.int8(), pa.string()), ["b", "a"]),
}


@pytest.fixture(autouse=True)
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(external_sort, "_IN_MEMORY", 256)
    monkeypatch.setattr(external_sort, "_BATCH", 64)
    monkeypatch.setattr(external_sort, "_AT_ONCE", 3)


@st.composite
def _tables(draw: st.DrawFn) -> tuple[list[pa.Table], list[str]]:
    kinds = draw(st.lists(st.sampled_from(list(_KINDS)), min_size=1, max_size=3))
    count = draw(st.integers(1, 30))
    columns = {
        f"c{at}": pa.array(draw(choices(_KINDS[kind][1], count)), _KINDS[kind][0]) for at, kind in enumerate(kinds)
    }
    table = pa.table({"row": range(count), **columns})
    ends = sorted({*draw(st.lists(st.integers(0, count), max_size=6)), 0, count})
    pieces = [table.slice(0, 0), *(table.slice(one, other - one) for one, other in itertools.pairwise(ends))]
    return pieces, list(columns)


@given(_tables())
@settings(max_examples=50, deadline=None)
def test_runs_are_merged_as_sorted_in_memory(given: tuple[list[pa.Table], list[str]]) -> None:
    pieces, names = given
    result = sort_pieces(iter(pieces), names, "t")
    result = result if isinstance(result, pa.Table) else pa.concat_tables(result)
    assert str(result.to_pylist()) == str(sort_rows(pa.concat_tables(pieces), names).to_pylist())
    assert result.schema == pieces[0].schema


def test_pieces_without_rows_are_no_run() -> None:
    words = pa.DictionaryArray.from_arrays(pa.array([], pa.int8()), [f"{number:09}" for number in range(50)])
    rows = pa.table({"c": pa.array(["b", "a"]).cast(pa.string()).dictionary_encode().cast(words.type)})
    pieces = [pa.table({"c": words}), pa.table({"c": words}), rows, rows]
    result = sort_pieces(iter(pieces), ["c"], "t")
    result = result if isinstance(result, pa.Table) else pa.concat_tables(result)
    assert result.to_pylist() == [{"c": "a"}, {"c": "a"}, {"c": "b"}, {"c": "b"}]


def test_sorted_table_stays_where_it_is() -> None:
    table = pa.table({"a": pa.nulls(100, pa.int8()), "b": range(100), "l": [[1]] * 100})
    assert sort_pieces(iter([table]), ["a", "b"], "t") is table
    assert sort_pieces(iter([table]), ["l", "a"], "t") is table


class _Disk(BytesIO):
    """A file that takes no more than so many bytes, of all files together."""

    left = 0
    files: list[_Disk] = []  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.files.append(self)

    def write(self, data: Any) -> int:
        _Disk.left -= len(data)
        if _Disk.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(data)


@pytest.mark.parametrize("room", [0, 3_000, 40_000], ids=["first run", "later run", "second merge"])
def test_full_disk_names_table_and_folder(monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    _Disk.left, _Disk.files = room, []
    monkeypatch.setattr(spilled_pieces, "spill_file", _Disk)
    monkeypatch.setattr("tempfile.tempdir", "/scratch")
    pieces = [pa.table({"a": range(20 * at, 20 * at + 20)}) for at in range(40)]
    with pytest.raises(StorageError) as caught:
        pa.concat_tables(sort_pieces(iter(pieces), ["a"], "t"))
    assert caught.value.message == (
        "the rows of `t` to be sorted do not fit into memory, and not into /scratch either: no space left on device"
    )
    assert (
        caught.value.hint == "make room in /scratch, or set the environment variable TMPDIR to a folder that has some"
    )
    assert _Disk.files
    assert all(file.closed for file in _Disk.files)


@pytest.mark.parametrize("stop", [1, 100])
def test_nothing_is_left_on_disk(monkeypatch: pytest.MonkeyPatch, stop: int) -> None:
    _Disk.left, _Disk.files = 1 << 30, []
    monkeypatch.setattr(spilled_pieces, "spill_file", _Disk)

    def failing() -> Iterator[pa.Table]:
        for at in range(14):
            yield pa.table({"a": range(20)})
            if at == stop:
                raise ValueError("half way")

    if stop < 14:
        with pytest.raises(ValueError, match="half way"):
            sort_pieces(failing(), ["a"], "t")
    else:
        merged = sort_pieces(failing(), ["a"], "t")
        next(iter(merged))
        merged.close()  # type: ignore[union-attr]
    assert _Disk.files
    assert all(file.closed for file in _Disk.files)
