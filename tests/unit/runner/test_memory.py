"""Tables in memory: there while somebody is to read them, and no longer."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.runner.memory import TablesInMemory

DATA = pa.table({"n": [1]})
RECORD = InputRecord("hash", 1, 8)


def memory(**consumers: int) -> TablesInMemory:
    return TablesInMemory(consumers, {})


def test_table_is_dropped_after_its_last_consumer() -> None:
    tables = memory(a=2, b=1)
    tables.put("a", DATA, RECORD)
    tables.put("b", DATA, RECORD)
    tables.release(["a", "b"])
    assert tables.tables(["a", "b"]) == {"a": DATA}
    tables.release(["a"])
    assert (len(tables), tables.wanted("a", stored=True)) == (0, False)


def test_table_that_nobody_reads_is_not_kept() -> None:
    tables = memory(a=1)
    tables.put("unread", DATA, RECORD)
    tables.release(["a"])
    assert tables.put("a", DATA, RECORD).arrow() == DATA
    assert len(tables) == 0


def test_table_is_loaded_once_for_its_consumers() -> None:
    tables, loaded = memory(a=2), list[str]()

    def load(name: str) -> tuple[pa.Table, InputRecord]:
        loaded.append(name)
        return DATA, RECORD

    assert [tables.get("a", load).arrow() for _ in range(2)] == [DATA, DATA]
    assert loaded == ["a"]


def test_failed_load_is_tried_again_by_the_next() -> None:
    tables = memory(a=2)
    with pytest.raises(OSError, match="gone"):
        tables.get("a", fail)
    assert tables.get("a", lambda _: (DATA, RECORD)).arrow() == DATA


def fail(name: str) -> tuple[pa.Table, InputRecord]:
    raise OSError("gone")


def test_table_that_is_only_streamed_is_not_wanted() -> None:
    tables = TablesInMemory({"a": 2, "b": 1}, {"a": {"reader"}, "b": {"reader", "frame"}}, {"reader"})
    assert [tables.wanted(name, stored=True) for name in "ab"] == [False, True]
    assert tables.wanted("a", stored=False)
    assert tables.streams_some(["a"])
    assert not tables.streams_some(["c"])
