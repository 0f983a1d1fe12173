"""Frames of dask, as transforms take and return them."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from lakehouse_cli.errors import TransformError
from lakehouse_cli.formats.pieces import resized
from lakehouse_cli.model import Column, FunctionRef, parse_column_type
from lakehouse_cli.model.computation import Input
from lakehouse_cli.runs.spilled_tables import SpilledTables
from lakehouse_cli.testing.every_type import VALUES
from lakehouse_cli.testing.storage import column, data_of
from lakehouse_cli.testing.storage import table as declared_table
from lakehouse_cli.transforms import SharedTable, apply, frame_type_of, load_transform

ROWS = 200
TABLE = pa.table(
    {
        "a": pa.array(range(ROWS), pa.int32()),
        "day": pa.array(range(ROWS), pa.int32()).cast(pa.date32()),
        "b": pa.array([None if row == ROWS - 1 else row % 3 for row in range(ROWS)], pa.int64()),
    }
)


pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Partitions of some rows, all of them in files."""
    monkeypatch.setattr("lakehouse_cli.transforms.dask_frame._BYTES", 512)
    monkeypatch.setattr("lakehouse_cli.transforms.dask_frame.SpilledTables", lambda what, *_: SpilledTables(what, 0))


def call(folder: Path, body: str, *, columns: tuple[Column, ...] | None = None) -> pa.Table:
    source = (
        f"import dask.dataframe as dd\nimport pandas as pd\n\ndef f(t: dd.DataFrame) -> dd.DataFrame:\n    {body}\n"
    )
    (folder / "transforms.py").write_text(source)
    transform = load_transform(FunctionRef("transforms", "f"), folder)
    return pa.concat_tables(apply(transform, [(Input("t", "t"), SharedTable(TABLE))], columns=columns))


def test_partitions_are_the_frame_of_pandas() -> None:
    """By dtypes, values and index, whatever the type and where the nulls are; also of some columns alone."""
    frames = frame_type_of("dask.dataframe.DataFrame")
    for name, values in VALUES.items():
        declared = declared_table("typed", column("id", "int64"), column("value", name))
        data = data_of(declared, *enumerate(values * 40))
        pieces = [data.slice(start, 7) for start in range(0, len(data), 7)]
        with frames.scope():
            found = frames.from_pieces(data.schema, partial(iter, pieces))
            whole, expected = found.compute(), frame_type_of(pd.DataFrame).from_arrow(data)
            pd.testing.assert_frame_equal(whole, expected, check_column_type=True)
            pd.testing.assert_frame_equal(found._meta, expected.head(0), check_index_type=False)
            pd.testing.assert_series_equal(found["value"].compute(), expected["value"])
            assert found.npartitions > 1
            assert found.divisions == frames.from_arrow(data).divisions
            assert found.divisions == frames.from_pieces(data.schema, partial(iter, [data])).divisions


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return t[t.a < 3]", TABLE.slice(0, 3)),
        ("return t.a", TABLE.select(["a"])),
        ("assert t.b.sum().compute() == 198; return t.groupby('b').a.count()", {"b": [0, 1, 2], "a": [67, 66, 66]}),
        ("return t.set_index('a')[['b']]", TABLE.select(["a", "b"])),
        ("t['b'] = t.b + 1; return t.loc[3:4]", {**TABLE.slice(3, 2).to_pydict(), "b": [1, 2]}),
        ("return t[t.a < 0]", TABLE.slice(0, 0)),
        ("return dd.from_pandas(pd.DataFrame({'x': ['é', None]}), npartitions=1)", {"x": ["é", None]}),
    ],
)
def test_frames_are_computed(tmp_path: Path, body: str, expected: Any) -> None:
    """Dates are dates again, and rows are in order where nothing shuffles them."""
    found = call(tmp_path, body)
    found = found.sort_by(found.column_names[0]) if "groupby" in body else found
    assert found.to_pydict() == (expected.to_pydict() if isinstance(expected, pa.Table) else expected)
    assert "day" not in found.column_names or found.schema.field("day").type == pa.date32()


def test_partitions_are_the_same_whatever_the_pieces() -> None:
    """Of texts of any length, also of views of them, and where one row is more than a partition."""
    texts = ["é" * (row % 97) if row % 7 else None for row in range(500)]
    texts[250] = "x" * 2000
    frames = frame_type_of("dask.dataframe.DataFrame")
    for kind in (pa.string(), pa.string_view()):
        data = pa.table({"n": range(500), "text": pa.array(texts, kind)})
        divisions = {
            frames.from_pieces(data.schema, lambda data=data, size=size: resized([data], size)).divisions
            for size in (1, 17, 499, 500)
        }
        divisions |= {frames.from_arrow(data).divisions}
        assert len(divisions) == 1
        assert len(divisions.pop()) > 20


def test_objects_keep_their_values(tmp_path: Path) -> None:
    """Dask would make texts of decimals; and its setting is the user's again."""
    wanted = (Column("d", parse_column_type("decimal128(20, 2)")),)
    body = "return t.map_partitions(lambda p: pd.DataFrame({'d': [__import__('decimal').Decimal('1.10')]}))"
    assert {str(kind) for kind in call(tmp_path, body, columns=wanted).schema.types} == {"decimal128(20, 2)"}
    import dask

    with dask.config.set({"dataframe.convert-string": True}):
        call(tmp_path, "return t")
        assert dask.config.get("dataframe.convert-string") is True


@pytest.mark.parametrize(
    ("body", "message", "place"),
    [
        (
            "return t.map_partitions(lambda p: p.assign(a=1 // 0) if len(p) and p.a.iloc[0] else p, meta=t)",
            "ZeroDivisionError",
            5,
        ),
        ("return t.missing", "`f` raised AttributeError", 5),
        ("return t.a.sum()", "`f` returned a Scalar", None),
        ("return t.compute(scheduler='processes')", "`f`: an input cannot be computed in other processes", 5),
    ],
)
def test_failures_name_the_line(tmp_path: Path, body: str, message: str, place: int | None) -> None:
    with pytest.raises(TransformError) as caught:
        call(tmp_path, body)
    assert message in caught.value.message
    assert place is None or (caught.value.location is not None and caught.value.location.line == place)


def test_lowest_timestamps_are_refused_with_their_row() -> None:
    """Which pandas takes for null."""
    moments = pa.table({"at": pa.array([0] * 300 + [-(2**63)], pa.timestamp("us"))})
    with pytest.raises(TransformError, match="row 301 holds"):
        frame_type_of("dask.dataframe.DataFrame").from_pieces(
            moments.schema, partial(iter, [moments.slice(0, 90), moments.slice(90)])
        )
