"""Tables as pandas frames, and what pandas results become."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from lakehouse_cli.contracts import enforce
from lakehouse_cli.errors import ContractError, Violation
from lakehouse_cli.model import Column, parse_column_type
from lakehouse_cli.transforms import frame_type_of
from tests.cases import each_case

PANDAS = frame_type_of(None)


def columns(**types: str) -> tuple[Column, ...]:
    return tuple(Column(name, parse_column_type(text)) for name, text in types.items())


def enforced(result: Any, **types: str) -> dict[str, list[Any]]:
    contract = columns(**types)
    table: dict[str, list[Any]] = enforce(PANDAS.to_arrow(result, contract), contract).table.to_pydict()
    return table


def violations(result: Any, **types: str) -> list[Violation]:
    with pytest.raises(ContractError) as caught:
        enforced(result, **types)
    return list(caught.value.violations)


def messages(result: Any, **types: str) -> list[str]:
    return [violation.message for violation in violations(result, **types)]


@each_case(
    ("array", "dtype"),
    [
        (pa.array([1, 2]), "int64"),
        (pa.array([1, None]), "Int64"),
        (pa.array([1, None], pa.uint8()), "UInt8"),
        (pa.array([True, False]), "bool"),
        (pa.array([True, None]), "boolean"),
        (pa.array([1.5, None]), "float64"),
        (pa.array([1.5], pa.float32()), "float32"),
        (pa.array(["a", None]), "str"),
        (pa.array([dt.date(2020, 1, 1), None]), "datetime64[s]"),
        (pa.array([0, None], pa.timestamp("ms")), "datetime64[ms]"),
        (pa.array([0, None], pa.timestamp("ns")), "datetime64[ns]"),
        (pa.array([0, None], pa.timestamp("us", "Europe/Berlin")), "datetime64[us, Europe/Berlin]"),
        (pa.array([0, None], pa.duration("s")), "timedelta64[s]"),
        (pa.array(["a", None]).dictionary_encode(), "category"),
        (pa.array([dt.time(1), None]), "object"),
        (pa.array([b"a"]), "object"),
        (pa.array([[1, None]]), "object"),
        (pa.array([{"a": 1}]), "object"),
        (pa.array([1], pa.time64("ns")), "time64[ns][pyarrow]"),
    ],
)
def test_columns_have_the_usual_pandas_dtypes(array: pa.Array, dtype: str) -> None:
    frame = PANDAS.from_arrow(pa.table({"x": pa.chunked_array([array, array])}))
    assert str(frame["x"].dtype) == dtype
    assert len(frame) == 2 * len(array)
    assert isinstance(frame.index, pd.RangeIndex)
    assert frame["x"].isna().tolist() == [value is None for value in array.to_pylist()] * 2


def test_a_frame_looks_as_if_pandas_had_made_it() -> None:
    table = pa.table({"a": [1, 2], "b": ["x", None], "c": [1.5, 2.5], "d": [3, 4], "e": pa.array([0, 1], pa.date32())})
    expected = pd.DataFrame(
        {"a": [1, 2], "b": ["x", None], "c": [1.5, 2.5], "d": [3, 4], "e": np.array([0, 1], "datetime64[D]")}
    )
    pd.testing.assert_frame_equal(PANDAS.from_arrow(table), expected)


def test_tables_without_rows_or_columns_are_frames_too() -> None:
    assert PANDAS.from_arrow(pa.table({"a": pa.array([], pa.int64())})).shape == (0, 1)
    assert PANDAS.from_arrow(pa.table({})).shape == (0, 0)


def test_items_of_lists_are_exact_values_not_floats() -> None:
    frame = PANDAS.from_arrow(pa.table({"x": pa.array([[1, None, 2**60 + 1], None])}))
    assert frame["x"].tolist() == [[1, None, 2**60 + 1], None]


def _mutations() -> list[Any]:
    def by_loc(f: pd.DataFrame) -> None:
        f.loc[0, "i"], f.loc[1, "f"], f.loc[0, "s"], f.loc[0, "d"] = 9, 9.5, "z", pd.Timestamp("1999-01-01")

    def by_iloc(f: pd.DataFrame) -> None:
        f.iloc[0, 0] = 7
        f.iat[1, 1] = 7.5

    def by_column(f: pd.DataFrame) -> None:
        f["i"] += 1
        f["new"] = f["f"] * 2
        del f["s"]

    def by_mask(f: pd.DataFrame) -> None:
        f.loc[f["i"] > 1, "f"] = 0.0
        f.loc[f["b"], "n"] = 5

    def in_place(f: pd.DataFrame) -> None:
        f.fillna({"f": 0.0, "s": "none"}, inplace=True)
        f.sort_values("i", ascending=False, inplace=True)
        f.drop(columns="d", inplace=True)
        f.rename(columns={"i": "j"}, inplace=True)
        f.columns.name = "labels"

    def within(f: pd.DataFrame) -> None:
        f["l"].iloc[0].append(99)
        f["c"] = f["c"].cat.add_categories(["new"])
        f.loc[0, "c"] = "new"

    return [by_loc, by_iloc, by_column, by_mask, in_place, within]


@pytest.mark.filterwarnings("ignore:The inplace keyword")
@pytest.mark.parametrize("mutate", _mutations(), ids=lambda f: f.__name__)
@pytest.mark.parametrize("chunks", [1, 2])
def test_in_place_changes_do_not_touch_the_table(mutate: Any, chunks: int) -> None:
    def table() -> pa.Table:
        one = pa.table(
            {
                "i": [1, 2, 3],
                "f": [1.5, None, 3.5],
                "s": ["a", None, "c"],
                "b": [True, False, True],
                "n": pa.array([1, None, 3]),
                "d": pa.array([0, 1, None], pa.date32()),
                "c": pa.array(["x", "y", "x"]).dictionary_encode(),
                "l": [[1], [2], None],
            }
        )
        return pa.concat_tables([one] * chunks)

    original, untouched = table(), PANDAS.from_arrow(table())
    first = PANDAS.from_arrow(original)
    mutate(first)
    assert not first.equals(untouched)
    assert original.equals(table())
    pd.testing.assert_frame_equal(PANDAS.from_arrow(original), untouched)


def test_wide_tables_take_new_columns_without_a_warning() -> None:
    frame = PANDAS.from_arrow(pa.table({f"c{n}": [float(n)] for n in range(300)}))
    frame["new"] = 1.0
    assert frame.shape == (1, 301)


def test_text_shares_memory_with_the_table() -> None:
    table = pa.table({"s": pa.array(["a" * 100] * 1_000)})
    before = pa.total_allocated_bytes()
    frame = PANDAS.from_arrow(table)
    assert pa.total_allocated_bytes() - before < 20_000  # offsets only
    assert frame["s"].iloc[-1] == "a" * 100


def test_named_index_levels_become_the_first_columns() -> None:
    frame = pd.DataFrame({"k": ["a", "a", "b"], "j": [1, 1, 2], "v": [1, 2, 3]})
    by_two = frame.groupby(["k", "j"]).agg(top=("v", "max"))
    assert enforced(by_two, k="string", j="int64", top="int64") == {"k": ["a", "b"], "j": [1, 2], "top": [2, 3]}
    assert PANDAS.to_arrow(by_two, None).column_names == ["k", "j", "top"]


def test_the_index_of_the_readme_example_becomes_a_date() -> None:
    valid = pd.Series(pd.to_datetime(["2020-01-01 10:00", "2020-01-01 11:00"]))
    frame = pd.DataFrame({"tmpf": [50.0, 60.0]})
    daily = frame.groupby(valid.dt.date.rename("valid_date")).agg(max_tmpf=("tmpf", "max"))
    assert enforced(daily, valid_date="date32", max_tmpf="float64") == {
        "valid_date": [dt.date(2020, 1, 1)],
        "max_tmpf": [60.0],
    }


def test_a_nameless_index_is_dropped() -> None:
    frame = pd.DataFrame({"v": [1, 2, 3]}, index=[9, 8, 7])
    assert enforced(frame[frame["v"] > 1], v="int64") == {"v": [2, 3]}


def test_index_level_repeating_a_column_is_that_column() -> None:
    frame = pd.DataFrame({"k": ["a", "b"], "v": [1, 2]}).set_index("k", drop=False)
    assert enforced(frame, k="string", v="int64") == {"k": ["a", "b"], "v": [1, 2]}


def test_index_level_contradicting_a_column_is_refused() -> None:
    frame = pd.DataFrame({"k": ["a", "b"]}, index=pd.Index([1, 2], name="k"))
    assert messages(frame, k="string") == ["2 columns are called `k`; rename or drop all but one"]


def test_undeclared_index_level_is_named_as_one() -> None:
    frame = pd.DataFrame({"k": ["a"]}, index=pd.Index([1], name="row"))
    assert messages(frame, k="string") == [
        "index level `row` is not a declared column; drop it with `.reset_index(drop=True)`"
    ]


def test_a_series_is_a_column_beside_its_index() -> None:
    frame = pd.DataFrame({"k": ["a", "a"], "v": [1, 2]})
    assert enforced(frame.groupby("k")["v"].max(), k="string", v="int64") == {"k": ["a"], "v": [2]}
    assert enforced(frame.groupby("k").size(), k="string", rows="int64") == {"k": ["a"], "rows": [2]}
    assert "the result is a Series without a name" in messages(pd.Series([1]), a="int64", b="int64")[-1]


class _ReadAsSeries(pd.DataFrame):
    """A frame of a pandas that does not give its columns as arrays."""

    _iter_column_arrays = None


def test_columns_come_the_same_as_series() -> None:
    dtypes = ["int8", "float64", "Int64", "str", "category", "M8[ms]", "m8[s]", "datetime64[us, Europe/Berlin]"]
    series = [pd.Series([2, 1, 2]).astype(dtype) for dtype in [*dtypes, "object", "int32[pyarrow]"]]
    series += [
        pd.Series(["2020"] * 3).astype("period[D]"),
        pd.Series([np.nan, 0.5, np.inf]),
        pd.Series([1j, 2, 3]),
        pd.Series([dt.time(1), None, "x"]),
    ]
    frame = pd.concat(dict(enumerate(series)), axis=1).rename(columns=lambda label: f"c{label % 12}" if label else 0)
    for each in (frame, frame[::-1], frame[:0], frame.set_index("c2", drop=False)):
        assert PANDAS.to_arrow(each, None).equals(PANDAS.to_arrow(_ReadAsSeries(each), None), check_metadata=True)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1, 2], "column label `1` is int, not text; rename it, or all of them with `.rename(columns=str)`"),
        (
            pd.MultiIndex.from_tuples([("a", "max"), ("a", "min")]),
            "the columns have 2 levels, as in ('a', 'max'); join",
        ),
        (["x", None], "column label `nan` is float, not text"),
    ],
)
def test_labels_must_be_text(labels: Any, message: str) -> None:
    found = messages(pd.DataFrame([[1, 2]], columns=labels), x="int64")
    assert any(reported.startswith(message) for reported in found), found


def test_duplicate_labels_are_refused() -> None:
    assert messages(pd.DataFrame([[1, 2]], columns=["x", "x"]), x="int64") == [
        "2 columns are called `x`; rename or drop all but one"
    ]


@pytest.mark.parametrize("empty", [pd.DataFrame({"d": [], "n": []}), pd.DataFrame(columns=["d", "n"])])
def test_an_empty_frame_is_valid(empty: pd.DataFrame) -> None:
    assert enforced(empty, d="date32", n="list<int64>") == {"d": [], "n": []}


@each_case(
    ("values", "target", "expected"),
    [
        (pd.array([1, None], dtype="Int64"), "int8", [1, None]),
        (pd.array([True, None], dtype="boolean"), "bool", [True, None]),
        (pd.array(["a", None], dtype="string[python]"), "string", ["a", None]),
        (pd.array(["a", None], dtype="string[pyarrow]"), "string", ["a", None]),
        (pd.array([1.5, None], dtype="Float64"), "float64", [1.5, None]),
        (pd.array([1, None], dtype=pd.ArrowDtype(pa.int32())), "float64", [1.0, None]),
        (pd.Categorical(["b", "a", "b"]), "string", ["b", "a", "b"]),
        (pd.Categorical(["b", "a", None]), "dictionary<string>", ["b", "a", None]),
        (np.array([1.0, np.nan]), "int64", [1, None]),
        (np.array([1.0, np.nan]), "float64", [1.0, None]),
        (np.array([1.5], np.float16), "float64", [1.5]),
        (np.array([1], ">i8"), "int64", [1]),
        (np.array(["2020-01-01"], "datetime64[D]"), "date32", [dt.date(2020, 1, 1)]),
        (pd.to_datetime(["2020-01-01", None]), "date32", [dt.date(2020, 1, 1), None]),
        (np.array([1, "NaT"], "timedelta64[s]"), "duration[us]", [dt.timedelta(seconds=1), None]),
        (np.array(["a", None, np.nan, pd.NA, pd.NaT], object), "string", ["a", None, None, None, None]),
        (np.array([dt.date(2020, 1, 1), pd.NaT], object), "date32", [dt.date(2020, 1, 1), None]),
        (np.array([np.int8(3), np.float32(4), None], object), "int64", [3, 4, None]),
        (np.array([np.bool_(True), False], object), "bool", [True, False]),
        (
            np.array([pd.Timestamp("2020-01-01"), np.datetime64("2020-01-02")], object),
            "date32",
            [dt.date(2020, 1, 1), dt.date(2020, 1, 2)],
        ),
        (
            np.array([pd.Timedelta(1, "s"), np.timedelta64(2, "m")], object),
            "duration[s]",
            [dt.timedelta(seconds=1), dt.timedelta(seconds=120)],
        ),
        (np.array([np.array([1, 2]), None], object), "list<int64>", [[1, 2], None]),
    ],
)
def test_pandas_values_are_converted_exactly(values: Any, target: str, expected: list[Any]) -> None:
    assert enforced(pd.DataFrame({"x": values}), x=target) == {"x": expected}


class Colour(enum.Enum):
    RED = 1


@each_case(
    ("values", "target", "message"),
    [
        (
            pd.period_range("2020", periods=1, freq="D"),
            "date32",
            "holds period[D], which no column type holds; use `.dt.to_ti",
        ),
        (
            pd.interval_range(0, 1),
            "string",
            "holds interval[int64, right], which no column type holds; use `.astype(str)`",
        ),
        (pd.cut(pd.Series([1, 2]), 2), "string", "holds pandas.interval; make text of them"),
        (np.array([1j]), "float64", "holds complex128, which no column type holds"),
        (
            pd.arrays.SparseArray([0, 1]),
            "int64",
            "holds Sparse[int64, 0], which no column type holds; use `.sparse.to_dense()`",
        ),
        (
            np.array([Colour.RED], object),
            "string",
            "holds objects of type `Colour` in 1 row; make text of them with `.map(str)`",
        ),
        (np.array([1, "a"], object), "int64", "holds text among integers in 1 row"),
        (np.array([pd.Timestamp(1)], object), "timestamp[us]", "holds 1 value that is finer than timestamp[us]"),
    ],
)
def test_other_pandas_values_are_refused(values: Any, target: str, message: str) -> None:
    (reported,) = messages(pd.DataFrame({"x": values, "y": [1] * len(values)}), x=target, y="int64")
    assert reported.startswith(f"`x` is declared {target} and {message}")


class GeometryDtype(pd.api.extensions.ExtensionDtype):
    """As geopandas calls its own, which has no Arrow type either."""

    name = "geometry"
    type = object

    @classmethod
    def construct_array_type(cls) -> Any:
        return GeometryArray


class GeometryArray(pd.api.extensions.ExtensionArray):
    """One shape, whatever it is."""

    dtype = GeometryDtype()

    def __len__(self) -> int:
        return 1

    def __getitem__(self, item: Any) -> Any:
        return object() if isinstance(item, int) else self

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Did not pass numpy.dtype object")

    def copy(self) -> Any:
        return self

    def isna(self) -> Any:
        return np.array([False])


def test_geometry_names_the_way_to_bytes() -> None:
    (reported,) = messages(pd.DataFrame({"x": pd.Series(GeometryArray(), copy=False)}), x="binary")
    assert reported == (
        "`x` is declared binary and holds geometry, which no column type holds; "
        "return `frame.to_wkb()`, which has it as binary"
    )


def test_intervals_with_months_are_named() -> None:
    values = pa.array([pa.MonthDayNano([1, 0, 0])], pa.month_day_nano_interval())
    with pytest.raises(ContractError, match="holds intervals, whose months have no fixed length; cast them to text"):
        enforce(pa.table({"x": values}), [Column("x", parse_column_type("duration[us]"))])


def test_unconvertible_column_does_not_hide_the_others() -> None:
    frame = pd.DataFrame({"a": np.array([1, "x"], object), "b": [1.5, 2.0], "c": [1j, 2j]})
    found = violations(frame, a="int64", b="int64", c="float64", d="bool")
    assert [(v.column, v.check, v.count) for v in found] == [
        ("a", "type", 1),
        ("b", "type", 1),
        ("c", "type", 2),
        ("d", "missing", 1),
    ]
    assert [(e.row, e.value) for e in found[0].examples] == [(2, "'x'")]


def test_objects_are_refused_in_every_way() -> None:
    found = violations(pd.DataFrame({"x": [1, "a", 300, 1.5, None]}, dtype=object), x="int8")
    refused = [(each.count, [example.row for example in each.examples]) for each in found]
    assert refused == [(1, [2]), (1, [3]), (1, [4])]


def test_a_column_that_cannot_become_arrow_may_be_dropped() -> None:
    contract = columns(a="int64")
    result = PANDAS.to_arrow(pd.DataFrame({"a": [1], "z": [1j]}), contract)
    assert enforce(result, contract, extra_columns="drop").dropped == ("z",)


def test_usual_ways_to_reshape_can_be_returned_as_they_are() -> None:
    frame = pd.DataFrame({"a": ["x", "y"], "b": ["p", "q"], "v": [1, 2]})
    assert enforced(frame.pivot(index="a", columns="b", values="v"), a="string", p="int64", q="int64") == {
        "a": ["x", "y"],
        "p": [1, None],
        "q": [None, 2],
    }
    assert enforced(frame["a"].value_counts(), a="string", count="int64") == {"a": ["x", "y"], "count": [1, 1]}
    days = pd.DataFrame({"v": [1, 2]}, index=pd.date_range("2020-01-01", periods=2, name="day"))
    assert enforced(days.resample("D").max(), day="date32", v="int64")["day"] == [
        dt.date(2020, 1, 1),
        dt.date(2020, 1, 2),
    ]
