"""Tables that wait on their way in or out of a database."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_cli.errors import StorageError
from lakehouse_cli.storage.spool import SpooledTable


def table(rows: Sequence[int]) -> pa.Table:
    texts = pa.array([f"text {row}" if row % 3 else None for row in rows], pa.string())
    return pa.table({"row": pa.array(rows, pa.int64()), "text": texts.dictionary_encode()})


@given(st.lists(st.integers(0, 40), min_size=1, max_size=100), st.sampled_from([None, 0, 500]))
def test_rows_come_as_they_were_added(sizes: list[int], in_memory: int | None) -> None:
    spooled, at = SpooledTable(in_memory), 0
    for size in sizes:
        spooled.add(table(range(at, at + size)))
        at += size
    assert spooled.num_rows == at
    first, second = spooled.pieces(), spooled.pieces()
    pieces = [next(first), *second, *first]
    for found in (pa.concat_tables(spooled.pieces()), spooled.table()):
        assert found.schema == table([]).schema
        assert found.to_pylist() == table(range(at)).to_pylist()
    assert sum(piece.num_rows for piece in pieces) == 2 * at


def test_much_is_on_disk_and_not_in_memory() -> None:
    before, spooled = pa.total_allocated_bytes(), SpooledTable(1 << 20)
    for number in range(40):
        spooled.add(pa.table({"text": pa.array([f"{number:0100}"] * 10_000)}))
        assert pa.total_allocated_bytes() - before < 4 << 20
    rows = 0
    for piece in spooled.pieces():
        rows += piece.num_rows
        assert pa.total_allocated_bytes() - before < 12 << 20
    assert rows == 400_000


def test_full_disk_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> BinaryIO:
        return Path("/dev/full").open("wb")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    spooled = SpooledTable(0)
    with pytest.raises(StorageError, match=r"what is on its way cannot be kept in .*: no space left") as caught:
        spooled.add(table(range(200_000)))
    assert "TMPDIR" in (caught.value.hint or "")
