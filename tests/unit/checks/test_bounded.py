"""Accumulators of checks give the same in memory, in temporary files, and over any pieces."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lakehouse_cli.checks import references, uniqueness
from lakehouse_cli.checks.keys import key_columns, shown_keys, valid_rows
from lakehouse_cli.checks.references import References
from lakehouse_cli.checks.uniqueness import Uniqueness
from lakehouse_cli.contracts import spilled_parts

LARGE = 1 << 40
COLUMNS: dict[str, list[pa.Array]] = {
    "integers": [pa.array([3, 1, 3, 2, None, 1, 3, -(2**63)])],
    "floats": [pa.array([0.0, -0.0, float("nan"), 1.0, float("nan"), None, 2.0, 1.5])],
    "texts": [pa.array(["a", "b", "a", "", None, "", "ab", "b"])],
    "decimals": [pa.array([Decimal("1.10"), Decimal("1.1"), None, Decimal("2.00")] * 2, pa.decimal128(5, 2))],
    "flags": [pa.array([True, False, None, True, True, False, True, True])],
    "dictionary": [pa.array(["a", "b", "a", None, "c", "d", "e", "f"]).dictionary_encode()],
    "two": [pa.array([1, 1, 1, 2, None, 2, 1, 2]), pa.array(["x", "y", "x", "x", "x", "x", "z", None])],
}


@pytest.fixture(autouse=True)
def few_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of as many parts as otherwise, nearly all would be empty."""
    monkeypatch.setattr(spilled_parts, "_BITS", 2)


def added(uniqueness: Uniqueness, columns: list[pa.Array], start: int, *, equal_nulls: bool) -> None:
    chunked = [pa.chunked_array([column]) for column in columns]
    keys = key_columns(chunked, equal_nulls=equal_nulls)
    valid = valid_rows(keys)
    rows: Any = range(start, start + len(columns[0]))
    if valid is not None:
        keys = [key.filter(valid) for key in keys]
        rows = np.flatnonzero(np.array(valid.to_pylist())) + start
    uniqueness.add(keys, rows)


@pytest.mark.parametrize("equal_nulls", [False, True])
@pytest.mark.parametrize("limit", [LARGE, 0])
@pytest.mark.parametrize("kind", COLUMNS)
def test_rows_that_share_a_key(kind: str, limit: int, equal_nulls: bool) -> None:
    columns = COLUMNS[kind]
    values = list(zip(*(column.to_pylist() for column in columns), strict=True))
    values = [tuple("nan" if v != v else v + 0.0 if isinstance(v, float) else v for v in row) for row in values] * 2
    counts = Counter(values)
    bad = [r for r, row in enumerate(values) if counts[row] > 1 and (equal_nulls or None not in row)]
    with closing(Uniqueness(limit)) as whole:
        added(whole, columns, 0, equal_nulls=equal_nulls)
        added(whole, columns, len(columns[0]), equal_nulls=equal_nulls)
        count, first = whole.shared()
    assert count == len(bad)
    assert first is not None
    assert first["row"].to_pylist() == bad
    kinds = [column.type for column in columns]
    shown = shown_keys(first.select(range(first.num_columns - 1)), kinds, equal_nulls=equal_nulls)
    found = list(zip(*(column.to_pylist() for column in shown), strict=True))
    assert [tuple("nan" if v != v else v for v in row) for row in found] == [values[row] for row in bad]


@pytest.mark.parametrize("limit", [LARGE, 0])
@pytest.mark.parametrize(("last", "bad"), [("a", [0, 3]), ("d", [])])
def test_keys_of_one_hash_are_compared(last: str, bad: list[int], limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uniqueness, "codes_of", lambda columns: np.zeros(len(columns[0]), np.uint64))
    rejected: list[int] = []
    with closing(Uniqueness(limit)) as found:
        added(found, [pa.array(["a", "b", "c"])], 0, equal_nulls=False)
        added(found, [pa.array([last])], 3, equal_nulls=False)
        count, first = found.shared(lambda rows, _: rejected.extend(rows.to_pylist()))
    assert (count, rejected) == (len(bad), bad)
    assert bad == ([] if first is None else first["row"].to_pylist())


def test_pieces_do_not_stay_in_memory() -> None:
    before = pa.total_allocated_bytes()
    with closing(Uniqueness(LARGE)) as integers, closing(Uniqueness(LARGE)) as texts:
        for _ in range(2):
            piece = pa.table({"i": pa.nulls(1 << 20, pa.int64()).fill_null(1)})
            piece = piece.append_column("s", piece["i"].cast(pa.string()))
            added(integers, [piece["i"].chunk(0).slice(0, 10)], 0, equal_nulls=False)
            added(texts, [piece["s"].chunk(0).slice(0, 10)], 0, equal_nulls=False)
            del piece
        assert pa.total_allocated_bytes() - before < 1 << 16


@pytest.mark.parametrize("in_memory", [LARGE, 0])
@pytest.mark.parametrize("kind", COLUMNS)
def test_values_that_another_table_lacks(kind: str, in_memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(references, "_IN_MEMORY", in_memory)
    columns = [pa.chunked_array([column]) for column in COLUMNS[kind]]
    known = [column.slice(0, 3) for column in columns]
    values = list(zip(*(column.to_pylist() for column in columns), strict=True))
    plain = [tuple("nan" if v != v else v for v in row) for row in values]
    bad = [row for row, value in enumerate(plain) if None not in value and value not in plain[:3]]
    with closing(References()) as found:
        found.read([known, known])
        verdict = found.verdict(columns, 0).to_pylist()
        count, first = found.missing()
    assert [row for row, value in enumerate(plain) if None in value] == [r for r, v in enumerate(verdict) if v is None]
    at_once = [row for row, good in enumerate(verdict) if good is False]
    later = [] if first is None else first["row"].to_pylist()
    assert (at_once, later, count) == ((bad, [], 0) if in_memory else ([], bad, len(bad)))
