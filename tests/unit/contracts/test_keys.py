"""Keys in bounded memory: hashed, spilled and compared by values, the same is found as among Python's values."""

from __future__ import annotations

import errno
import math
import os
from contextlib import closing
from decimal import Decimal
from io import BytesIO
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_cli.arrow import row_hashes as hashing
from lakehouse_cli.contracts import Check, keys, repeated_rows, spilled_keys, spilled_parts
from lakehouse_cli.errors import DataError, StorageError
from lakehouse_cli.runs import spilled_pieces
from tests.unit.drawn_values import choices

_LONG = "x" * 70
_KINDS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "bool": (pa.bool_(), [True, False]),
    "int8": (pa.int8(), [-128, 0, 1, 127]),
    "uint64": (pa.uint64(), [0, 1, 2**64 - 1]),
    "float32": (pa.float32(), [0.0, -0.0, 1.5, math.nan, math.inf]),
    "float64": (pa.float64(), [0.0, -0.0, 1.5, math.nan, -math.inf]),
    "decimal": (pa.decimal128(20, 2), [Decimal("1.00"), Decimal("-1.00"), Decimal("123456789012345678.90")]),
    "string": (pa.string(), ["", "a", "ab", "abcdefgh", "abcdefgh\0", "abcdefghi", _LONG, _LONG[1:] + "y"]),
    "large": (pa.large_string(), ["", "é", "ab"]),
    "binary": (pa.binary(), [b"", b"\0", b"\0\0"]),
    "date": (pa.date32(), [0, 1]),
    "moment": (pa.timestamp("us", "UTC"), [0, 1, 2**50]),
    "dictionary": (pa.dictionary(pa.int8(), pa.string()), ["a", "b"]),
    "list": (pa.list_(pa.float64()), [[], [0.0], [1.0, None], [math.nan]]),
    "struct": (pa.struct({"a": pa.int8()}), [{"a": 1}, {"a": None}]),
}


def _identity(value: Any) -> Any:
    return repr(value) if isinstance(value, (list, dict)) or value != value else value


def _expected(columns: list[list[Any]]) -> list[int]:
    seen, found = set(), []
    for row, values in enumerate(zip(*columns, strict=True)):
        if None not in values:
            identity = tuple(map(_identity, values))
            found += [row] if identity in seen else []
            seen.add(identity)
    return found


@st.composite
def _tables(draw: st.DrawFn) -> tuple[pa.Table, list[int]]:
    kinds = draw(st.lists(st.sampled_from(list(_KINDS)), min_size=1, max_size=3))
    count = draw(st.integers(1, 40))
    columns = [draw(choices(_KINDS[kind][1], count)) for kind in kinds]
    names = [f"c{at}" for at in range(len(kinds))]
    table = pa.table([pa.array(each, _KINDS[k][0]) for each, k in zip(columns, kinds, strict=True)], names=names)
    cut = draw(st.integers(0, count))
    return pa.concat_tables([table.slice(0, cut), table.slice(cut)]), _expected(columns)


@pytest.fixture
def hash_bits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hashes that differ in so few bits that most are shared."""
    bits = np.uint64(request.param)
    for module in (repeated_rows, spilled_keys):
        monkeypatch.setattr(module, "row_hashes", lambda columns: hashing.row_hashes(columns) & bits)


@pytest.mark.parametrize("hash_bits", [2**64 - 1, 1 << 62, 0], indirect=True)
@pytest.mark.usefixtures("hash_bits")
def test_repeated_rows_are_those_of_equal_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_FEW", 1)
    monkeypatch.setattr(spilled_keys, "_AT_ONCE", 7)
    monkeypatch.setattr(spilled_keys, "_COMPARED", 100)
    monkeypatch.setattr(spilled_parts, "_BITS", 2)
    monkeypatch.setattr(repeated_rows, "_AT_ONCE", 3)

    @given(_tables(), st.sampled_from([-1, 1 << 20]))
    @settings(max_examples=25, deadline=None)
    def judge(given: tuple[pa.Table, list[int]], most: int) -> None:
        monkeypatch.setattr(keys, "_IN_MEMORY", most)
        table, expected = given
        assert keys.repeated_rows(table, table.column_names).to_pylist() == expected
        with closing(Check(None, table.column_names)) as checking:
            for start in range(0, table.num_rows, 5):
                checking.piece(table.slice(start, 5))
            found = [each for each in checking.finish().violations if "repeat" in each.message]
        assert sum(each.count for each in found) == len(expected)
        assert [example.row - 1 for each in found for example in each.examples if example.row] == expected[:5]

    judge()


def test_equal_rows_hash_alike_whatever_their_chunks() -> None:
    texts = [_LONG, "", "a", "abcdefgh", "abcdefghi", _LONG]
    whole = pa.chunked_array([pa.array(texts)])
    apart = pa.chunked_array([pa.array(["?", *texts[:2]]).slice(1), pa.array([*texts[2:], "?"]).slice(0, 4)])
    one, other = (hashing.row_hashes([hashing.identity(each)]) for each in (whole, apart))
    assert one.tolist() == other.tolist()
    assert len(set(one.tolist())) == 5


@pytest.mark.parametrize("first", [0, 5], ids=["from the first", "after rising"])
def test_full_disk_is_said(monkeypatch: pytest.MonkeyPatch, first: int) -> None:
    class Full(BytesIO):
        def write(self, data: Any) -> int:
            del data
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    files = []

    def make() -> Full:
        files.append(Full())
        return files[-1]

    monkeypatch.setattr(keys, "_IN_MEMORY", 0)
    monkeypatch.setattr(spilled_parts, "_WAITING", 0)
    monkeypatch.setattr(spilled_parts, "spill_file", make)
    monkeypatch.setattr(spilled_pieces, "spill_file", make)
    monkeypatch.setattr("tempfile.tempdir", "/scratch")
    with pytest.raises(StorageError) as caught, closing(Check(None, ["a"])) as checking:
        checking.piece(pa.table({"a": [first, 1, 2]}))
    assert caught.value.message == (
        "the keys of its rows do not fit into memory, and not into /scratch either: no space left on device"
    )
    assert (
        caught.value.hint == "make room in /scratch, or set the environment variable TMPDIR to a folder that has some"
    )
    assert [file.closed for file in files] == [True]


def test_spilled_repeats_are_kept_with_their_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "_IN_MEMORY", 0)
    table = pa.table({"a": [*range(3_000), *range(2_000)], "b": ["x"] * 5_000})
    with closing(Check(None, ["a", "b"])) as checking:
        for start in range(0, 5_000, 700):
            checking.piece(table.slice(start, 700))
        found = checking.finish()
    error = DataError("x")
    found.describe(error, {3001: 3002})
    assert [(each.count, each.message) for each in error.violations] == [
        (2000, "key `a`, `b`: 2,000 rows repeat earlier keys")
    ]
    assert [(each.row, each.line, each.value) for each in error.violations[0].examples][:2] == [
        (3001, 3002, "0, 'x'"),
        (3002, None, "1, 'x'"),
    ]
    assert error.failed is not None
    assert (error.failed.count, len(error.failed.rows)) == (2000, 1000)
    assert error.failed.rows[-1].values == {"a": "999", "b": "x"}


def test_times_that_python_lacks_are_told_apart() -> None:
    counts = pa.array([1001, 1002, 1001])
    for kind in (pa.time64("ns"), pa.timestamp("us"), pa.list_(pa.time64("ns"))):
        plain = counts if kind != pa.timestamp("us") else pa.array([10**18, 10**18 + 1, 10**18])
        plain = plain.cast(kind.value_type if pa.types.is_list(kind) else kind)
        column = pa.ListArray.from_arrays(pa.array([0, 1, 2, 3]), plain) if pa.types.is_list(kind) else plain
        assert keys.repeated_rows(pa.table({"k": column}), ["k"]).to_pylist() == [2]
        checking = Check(None, ["k"])
        checking.piece(pa.table({"k": column}))
        (violation,) = checking.finish().violations
        assert violation.examples[0].row == 3
