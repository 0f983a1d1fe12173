"""Frames that share memory: whatever a transform does to its own, the next one's is as it was."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lakehouse_cli.contracts import enforce
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.registry import Entry, load
from lakehouse_cli.testing.storage import column
from lakehouse_cli.transforms import SharedTable, frame_type_of
from tests.cases import each_case

TABLE = pa.table(
    {
        "whole": pa.array([1, 2, 3]),
        "float": pa.array([1.5, None, 3.0]),
        "null": pa.array([1, None, 3]),
        "flag": pa.array([True, None, False]),
        "text": pa.array(["x", None, "z"]),
        "time": pa.array([0, 1, None], pa.timestamp("s")),
        "zoned": pa.array([0, 1, None], pa.timestamp("us", "UTC")),
        "kind": pa.array(["u", "v", "u"]).dictionary_encode(),
    }
)


def _array_of(name: str) -> Callable[[pd.DataFrame], Any]:
    return lambda frame: frame[name].array.__setitem__(0, frame[name].array[2])


CHANGES: dict[str, Callable[[pd.DataFrame], Any]] = {
    "column": lambda f: f.__setitem__("whole", 0),
    "new column": lambda f: f.__setitem__("more", f["whole"] + 1),
    "iloc": lambda f: f.iloc.__setitem__((0, 0), 9),
    "every loc": lambda f: [f.loc.__setitem__((0, name), f.loc[2, name]) for name in f],
    "mask": lambda f: f.loc.__setitem__((f["whole"] > 1, "float"), -1.0),
    "augmented": lambda f: f.__setitem__("float", f["float"].__imul__(2)),
    "index": lambda f: f.__setattr__("index", pd.Index([5, 6, 7], name="id")),
    "labels": lambda f: f.__setattr__("columns", [label.upper() for label in f.columns]),
    "drop": lambda f: f.pop("whole"),
    "attrs": lambda f: f.attrs.update(seen=True),
    **{f"array of {name}": _array_of(name) for name in TABLE.column_names},
    "numpy": lambda f: np.asarray(f["whole"]).__setitem__(0, 9),
}


@each_case("change", CHANGES.values())
def test_a_change_in_place_harms_nobody(change: Callable[[pd.DataFrame], Any]) -> None:
    pandas = frame_type_of(None)
    shared = SharedTable(TABLE, {pandas.name})
    expected = pandas.from_arrow(TABLE)
    mine, theirs = shared.frame(pandas), shared.frame(pandas)
    try:
        change(mine)
    except ValueError as error:
        # numpy's own refusal; pandas says the same of `values` and `to_numpy()`.
        assert "read-only" in str(error)  # noqa: PT017
    pd.testing.assert_frame_equal(theirs, expected)
    pd.testing.assert_frame_equal(shared.frame(pandas), expected)
    assert theirs.attrs == {}


def test_in_place_changes_work_on_the_last_frame() -> None:
    pandas = frame_type_of(None)
    shared = SharedTable(TABLE, {pandas.name})
    frame = shared.frame(pandas)
    frame.loc[0, "whole"] = 10
    frame["float"] *= 2
    frame.loc[frame["whole"] == 2, "text"] = "y"
    frame.iloc[2, 2] = 4
    assert frame["whole"].tolist() == [10, 2, 3]
    assert frame["float"].tolist()[2] == 6.0
    assert frame["text"].tolist()[1] == "y"
    assert frame["null"].tolist()[2] == 4


def test_arrow_is_let_go_when_only_frames_are_wanted() -> None:
    pandas, arrow = frame_type_of(None), frame_type_of(pa.Table)
    alone = SharedTable(TABLE, {pandas.name})
    alone.frame(pandas)
    with pytest.raises(LookupError):
        alone.arrow()
    both = SharedTable(TABLE, {pandas.name, arrow.name})
    both.frame(pandas)
    assert both.arrow() is TABLE
    assert both.frame(arrow) is TABLE
    unknown = SharedTable(TABLE)
    unknown.frame(pandas)
    assert unknown.arrow() is TABLE


def test_python_objects_are_not_shared() -> None:
    pandas = frame_type_of(None)
    shared = SharedTable(pa.table({"items": pa.array([[1], [2]])}), {pandas.name})
    first, second = shared.frame(pandas), shared.frame(pandas)
    first["items"][0].append(3)
    assert second["items"].tolist() == [[1], [2]]
    assert shared.arrow().num_rows == 2


def test_each_column_is_let_go_as_soon_as_pandas_has_it() -> None:
    """Beside the frame there is never more than a column; of a table that others want, all of it."""
    pandas, arrow = frame_type_of(None), frame_type_of(pa.Table)
    units = ("s", "ms", "us", "ns")
    # Of a type each: memory is traced as it is asked for, and columns of one type share it.
    types = [pa.int64(), pa.uint64(), pa.float64(), *map(pa.timestamp, units), *map(pa.duration, units)]
    rows = 100_000

    def most_bytes(*wanted: str) -> int:
        tracemalloc.start()
        try:
            # Of numpy's memory, which is traced.
            columns = [pa.array(np.arange(rows)).view(type_) for type_ in types]
            shared = SharedTable(pa.table(columns, names=[str(type_) for type_ in types]), wanted)
            del columns
            tracemalloc.reset_peak()
            assert shared.frame(pandas)["int64"].sum() == sum(range(rows))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    whole = len(types) * rows * 8
    assert most_bytes(pandas.name) < 1.2 * whole
    assert most_bytes(pandas.name, arrow.name) > 1.9 * whole


def test_text_of_many_chunks_is_one_for_pandas() -> None:
    """Else all of it would be joined, beside itself, wherever rows are taken of it."""
    pandas = frame_type_of(None)
    chunks = [["a", None], [], ["ccc", "", "é"], [None]]
    text = pa.chunked_array([pa.array(chunk, pa.string()) for chunk in chunks])
    for texts in (text, text.slice(1, 4), text.slice(0, 0), pa.chunked_array([], pa.string())):
        frame = pandas.from_arrow(pa.table({"text": texts}))
        assert pa.chunked_array(frame["text"].array.__arrow_array__()).num_chunks <= 1
        assert pandas.to_arrow(frame, None)["text"].to_pylist() == texts.to_pylist()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["csv", "jsonl", "ipc"])
def test_result_goes_out_in_batches(name: str) -> None:
    """Beside a frame of 48 MB there is neither all of it as Arrow nor as text, but a few batches."""
    frame = pd.DataFrame({f"c{n}": np.arange(1_500_000) * n for n in range(4)})
    columns = [column(f"c{n}", "int64") for n in range(4)]
    before, allocated = pa.total_allocated_bytes(), list[int]()

    class Sink:
        def write(self, data: Any) -> int:
            allocated.append(pa.total_allocated_bytes() - before)
            return memoryview(data).nbytes

    table = enforce(frame_type_of(None).to_arrow(frame, columns), columns, key=["c1"]).table
    spec = FORMATS[name]
    load(Entry(spec.implementation, spec.install))().write(table, Sink(), spec.checked({}, {}))
    assert len(allocated) > 10
    assert max(allocated) < 32 << 20
