"""Arrow's view types, of files and of what transforms return, at every depth."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lakehouse_cli.arrow.conversion.exact import convert
from lakehouse_cli.contracts import enforce
from lakehouse_cli.errors import ContractError, DataError
from tests.cases import each_case
from tests.unit.formats.csv_files import columns_of
from tests.unit.formats.test_typed_files import read, stored

TEXT, BYTES = pa.string_view(), pa.binary_view()
LONG = "longer than twelve bytes"
CODES = pa.DictionaryArray.from_arrays(pa.array([0, None, 1, 0], pa.int8()), pa.array(["a", LONG], TEXT))
TEXTS = pa.array(["x", "y", None, LONG], TEXT)
SOME = pa.array([False, True, False, False])
VIEWS: dict[str, tuple[pa.Array, str]] = {
    "text": (TEXTS, "string"),
    "bytes": (pa.array([b"x", None, b"", b"\xff" * 20], BYTES), "binary"),
    "dictionary": (CODES, "string"),
    "dictionary kept": (CODES, "dictionary<string>"),
    "list": (pa.array([["x", None], None, [], [LONG]], pa.list_(TEXT)), "list<string>"),
    "list view": (pa.array([["x", None], None, [], [LONG]], pa.list_view(TEXT)), "list<string>"),
    "large list view": (pa.array([[1, None], None, [], [2]], pa.large_list_view(pa.int64())), "list<int64>"),
    "list of dictionaries": (
        pa.ListArray.from_arrays(pa.array([0, 1, 2, 3, 4], pa.int32()), CODES),
        "list<string>",
    ),
    "null struct": (
        pa.StructArray.from_arrays([CODES, TEXTS], ["d", "t"], mask=SOME),
        "struct<d: string, t: string>",
    ),
    "struct of list views": (
        pa.StructArray.from_arrays([pa.array([["x"], ["y"], None, []], pa.list_view(TEXT))], ["l"], mask=SOME),
        "struct<l: list<string>>",
    ),
}


@each_case("case", VIEWS)
def test_views_in_ipc_files_are_read(case: str) -> None:
    values, declared = VIEWS[case]
    opener = stored("ipc", pa.table({"x": values}))
    assert read("ipc", opener, columns_of(x=declared))["x"].to_pylist() == values.to_pylist()
    undeclared = read("ipc", opener, None)
    undeclared.validate(full=True)
    assert undeclared["x"].to_pylist() == values.to_pylist()


@each_case("case", VIEWS)
@each_case("start", [0, 1, 4])
def test_views_in_results_are_kept(case: str, start: int) -> None:
    values, declared = VIEWS[case]
    result = pa.table({"x": values}).slice(start)
    for contract in (columns_of(x=declared), None):
        enforced = enforce(result, contract).table
        enforced.validate(full=True)
        assert enforced["x"].to_pylist() == values.to_pylist()[start:]


def test_refused_views_show_their_values() -> None:
    table = pa.table({"d": CODES, "t": TEXTS, "l": VIEWS["list view"][0]})
    declared = columns_of(d="int64", t="date32", l="list<int64>")
    with pytest.raises(DataError) as read_from_file:
        read("ipc", stored("ipc", table), declared)
    with pytest.raises(ContractError) as returned:
        enforce(table, declared)
    for caught in (read_from_file.value, returned.value):
        assert [violation.column for violation in caught.violations] == ["d", "t", "l"]
        assert [violation.examples[0].row for violation in caught.violations] == [1, 1, 1]
        assert caught.violations[0].examples[0].value == "'a'"


def test_list_views_that_share_items_name_their_rows() -> None:
    shared = pa.ListViewArray.from_arrays(
        pa.array([2, 0, 1], pa.int32()), pa.array([1, 2, 2], pa.int32()), pa.array(["1", "2", "x"], TEXT)
    )
    column = pa.chunked_array([shared])
    assert convert(column, pa.list_(pa.string())).to_pylist() == [["x"], ["1", "2"], ["2", "x"]]
    with pytest.raises(ContractError) as caught:
        enforce(pa.table({"x": shared}), columns_of(x="list<int64>"))
    assert [example.row for example in caught.value.violations[0].examples] == [1, 3]
