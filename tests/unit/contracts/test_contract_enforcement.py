"""What a result must be to be stored: its columns, their nulls, its key."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_cli.arrow.types import from_arrow
from lakehouse_cli.contracts import check, enforce
from lakehouse_cli.errors import ContractError, Location, Violation
from lakehouse_cli.model import Column, parse_column_type
from tests.cases import each_case


def columns(**types: str) -> tuple[Column, ...]:
    return tuple(
        Column(
            name,
            parse_column_type(text.rstrip("!")),
            not text.endswith("!"),
            location=Location("lakehouse.yaml", line),
        )
        for line, (name, text) in enumerate(types.items(), start=10)
    )


def violations(table: pa.Table, contract: tuple[Column, ...] | None, **options: Any) -> tuple[Violation, ...]:
    with pytest.raises(ContractError) as caught:
        enforce(table, contract, **options)
    return caught.value.violations


def only(found: tuple[Violation, ...]) -> Violation:
    assert len(found) == 1, found
    return found[0]


def rows(violation: Violation) -> list[tuple[int | None, str]]:
    return [(example.row, example.value) for example in violation.examples]


def test_result_has_declared_order_and_types_only() -> None:
    result = pa.table({"b": pa.array([1, 2], pa.int8()), "a": ["x", None]}).replace_schema_metadata({"pandas": "{}"})
    table = enforce(result, columns(a="string", b="float64!")).table
    assert table.schema.equals(pa.schema({"a": pa.string(), "b": pa.float64()}), check_metadata=True)
    assert table.to_pydict() == {"a": ["x", None], "b": [1.0, 2.0]}


def test_a_column_that_already_fits_is_not_copied() -> None:
    result = pa.table({"a": pa.array([1.0, 2.0])})
    enforced = enforce(result, columns(a="float64")).table
    assert enforced.column("a").chunk(0).buffers()[1].address == result.column("a").chunk(0).buffers()[1].address


def test_every_column_is_judged_not_only_the_first() -> None:
    result = pa.table({"a": [1.5], "b": pa.array([None], pa.string()), "d": [1]})
    found = violations(result, columns(a="int64", b="string!", c="bool"))
    assert [(v.column, v.check) for v in found] == [("a", "type"), ("b", "null"), ("c", "missing"), ("d", "extra")]
    assert [v.location.line if v.location else None for v in found] == [10, 11, 12, None]


def test_error_has_its_counts_and_can_be_pickled() -> None:
    with pytest.raises(ContractError, match="2 violations") as caught:
        enforce(pa.table({"a": [1]}), columns(b="int64"))
    assert pickle.loads(pickle.dumps(caught.value)).violations == caught.value.violations


def test_missing_column_suggests_a_similar_extra_one() -> None:
    missing, extra = violations(pa.table({"max_tmp": [1.0]}), columns(max_tmpf="float64"))
    assert missing.message == "column `max_tmpf` is not in the result; is it `max_tmp`?"
    assert extra.message == "column `max_tmp` is not declared; did you mean `max_tmpf`?"


def test_extra_column_is_refused_dropped_or_kept() -> None:
    result = pa.table({"z": pa.array(["q"], pa.large_string()), "a": [1]})
    extra = only(violations(result, columns(a="int64")))
    assert extra.message == "column `z` is not declared; declare it, or set `extra_columns: drop`"
    dropped = enforce(result, columns(a="int64"), extra_columns="drop")
    assert (dropped.table.column_names, dropped.dropped) == (["a"], ("z",))
    kept = enforce(result, columns(a="int64"), extra_columns="keep")
    assert (kept.table.column_names, kept.dropped) == (["a", "z"], ())
    assert kept.table.schema.field("z").type == pa.string()


def test_a_dropped_column_may_be_of_any_type() -> None:
    result = pa.table({"a": [1], "z": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64()))})
    assert enforce(result, columns(a="int64"), extra_columns="drop").dropped == ("z",)


def test_refused_nulls_are_counted_and_the_first_shown() -> None:
    result = pa.table({"a": pa.array([1, None, 3, *[None] * 6])})
    null = only(violations(result, columns(a="int64!")))
    assert null.message == "column `a` has 7 nulls but is declared `nullable: false`"
    assert (null.count, rows(null)) == (7, [(2, "null"), (4, "null"), (5, "null"), (6, "null"), (7, "null")])


def test_undeclared_types_become_declarable_ones() -> None:
    result = pa.table(
        {
            "a": pa.array(["x"], pa.large_string()),
            "b": pa.array([0], pa.date64()),
            "c": pa.array(["x"]).dictionary_encode().cast(pa.dictionary(pa.int8(), pa.large_string())),
            "d": pa.array([[1]], pa.large_list(pa.int8())),
            "e": pa.nulls(1),
            "f": pa.array([b"x"], pa.binary(1)),
        }
    )
    assert [str(field.type) for field in enforce(result, None).table.schema] == [
        "string",
        "timestamp[ms]",
        "dictionary<values=string, indices=int32, ordered=0>",
        "list<item: int8>",
        "string",
        "binary",
    ]


def test_undeclarable_type_without_contract_is_refused() -> None:
    result = pa.table({"a": pa.array([[(0.5, 1)]], pa.map_(pa.float64(), pa.int64())), "b": [1]})
    refused = only(violations(result, None))
    assert refused.message == "`a` holds map<double, int64>, which no column type holds; convert or drop the column"


@pytest.mark.parametrize("contract", [None, columns(a="int64")])
def test_names_must_be_there_and_differ(contract: tuple[Column, ...] | None) -> None:
    result = pa.Table.from_arrays([pa.array([1])] * 4, names=["a", "a", "", "b"])
    found = violations(result, contract)
    assert [v.message for v in found] == [
        "2 columns are called `a`; rename or drop all but one",
        "column 3 has an empty name; name it",
    ]
    assert {v.check for v in found} == {"duplicate"}


def test_empty_result_is_valid_with_any_column_types() -> None:
    result = pa.table({"a": pa.nulls(0), "b": pa.array([], pa.float64()), "c": pa.array([], pa.bool_())})
    table = enforce(result, columns(a="date32", b="string!", c="list<int64>"), key=("b",)).table
    assert (table.num_rows, [str(f.type) for f in table.schema]) == (0, ["date32[day]", "string", "list<item: int64>"])


def test_a_column_of_nulls_alone_is_of_any_type() -> None:
    assert enforce(pa.table({"a": pa.nulls(2, pa.float64())}), columns(a="date32")).table.column("a").null_count == 2


def test_many_small_chunks_are_joined() -> None:
    result = pa.table({"a": pa.chunked_array([[n] for n in range(100)])})
    assert enforce(result, columns(a="int64")).table.column("a").num_chunks == 1


@pytest.mark.parametrize("size", [6, 5_000])
def test_a_key_names_the_rows_that_repeat_one(size: int) -> None:
    numbers = list(range(size))
    numbers[3], numbers[5] = 1, 1
    result = pa.table({"station": ["SFO"] * size, "day": numbers})
    broken = only(violations(result, columns(station="string", day="int64"), key=("station", "day")))
    assert broken.message == "key `station`, `day`: 2 rows repeat earlier keys"
    assert (broken.column, broken.check, broken.count) == (None, "key", 2)
    assert rows(broken) == [(4, "'SFO', 1"), (6, "'SFO', 1")]
    assert broken.location == Location("lakehouse.yaml", 10)


@each_case("size", [3, 5_000])
@each_case(
    "type_",
    ["int64", "string", "float64", "date32", "timestamp[us]", "decimal128(20, 2)", "dictionary<string>", "bool"],
)
def test_a_key_may_be_of_any_type(type_: str, size: int) -> None:
    target = columns(k=type_, n="int64")
    plain = pa.array([str(n) for n in range(size)]) if "string" in type_ else pa.array(range(size))
    if type_ == "bool":
        plain = pa.array([n % 2 == 0 for n in range(size)])
    elif type_ in ("date32", "timestamp[us]"):
        plain = plain.cast(pa.int32()).cast(pa.date32())
    result = pa.table({"k": plain, "n": range(size)})
    assert enforce(result, target, key=("k", "n")).table.num_rows == size
    if type_ != "bool":
        assert enforce(result, target, key=("k",)).table.num_rows == size
    doubled = pa.concat_tables([result, result.slice(0, 1)])
    assert only(violations(doubled, target, key=("k", "n"))).count == 1


def test_a_key_of_lists_is_judged_by_their_items() -> None:
    result = pa.table({"k": [[1], [2], [1]]})
    assert rows(only(violations(result, columns(k="list<int64>"), key=("k",)))) == [(3, "[1]")]


@pytest.mark.parametrize("size", [4, 4_000])
def test_keys_that_compare_equal_are_equal(size: int) -> None:
    numbers = [0.0, -0.0, float("nan"), float("nan"), *map(float, range(1, size - 3))]
    found = only(violations(pa.table({"k": numbers}), columns(k="float64"), key=("k",)))
    assert rows(found) == [(2, "-0.0"), (4, "nan")]


def test_null_in_the_key_is_reported_once() -> None:
    result = pa.table({"k": pa.array([1, None, None])})
    nullable = only(violations(result, columns(k="int64"), key=("k",)))
    assert (nullable.check, nullable.message) == ("key", "key column `k` has 2 nulls")
    assert only(violations(result, columns(k="int64!"), key=("k",))).check == "null"


def test_a_key_is_judged_without_a_contract() -> None:
    assert only(violations(pa.table({"a": [1, 1]}), None, key=("a",))).check == "key"
    assert only(violations(pa.table({"a": [1, 1]}), None, key=("b",))).check == "missing"


def test_stored_data_are_checked_for_nulls_and_key() -> None:
    table = pa.table({"a": pa.array([1, 1, None]), "b": ["x", "y", "z"]})
    found = check(table, columns(a="int64!", b="string"), key=("a",)).violations
    assert [(v.column, v.check, v.count) for v in found] == [("a", "null", 1), ("a", "key", 1)]
    assert check(table, columns(a="int64", b="string!"), key=("b",)).violations == []
    assert check(table, None).violations == []


def test_long_values_are_shortened_in_examples() -> None:
    (example,) = only(violations(pa.table({"a": ["x" * 500]}), columns(a="int64"))).examples
    assert len(example.value) == 60
    assert example.value.endswith("…")


def test_contracts_load_neither_pandas_nor_polars(tmp_path: Path) -> None:
    # From a file: pyarrow itself imports pandas, if it is there, to make an array of Python objects. A file on disk:
    # a thread of its reader may let go of one of Python's, or of bytes, while Python ends, and abort the process.
    (tmp_path / "t.csv").write_text("a,b\n1,x\n2,y")
    code = """
import sys
from pyarrow import csv
from lakehouse_cli.contracts import check, enforce
from lakehouse_cli.model import Column, parse_column_type
columns = [Column(name, parse_column_type(type_), False) for name, type_ in (("a", "float64"), ("b", "string"))]
enforced = enforce(csv.read_csv("t.csv"), columns, key=("a", "b"))
check(enforced.table, columns, key=("b",))
sys.exit(", ".join({"pandas", "polars"} & set(sys.modules)) or None)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def struct_of(name: str) -> pa.DataType:
    return pa.struct([pa.field("id", pa.int64()), pa.field(name, pa.string())])


def is_refused(kind: pa.DataType, contract: tuple[Column, ...] | None) -> str:
    """The refusal of an undeclared column of a type, else what its type's text does not give back."""
    table = pa.table({"id": [1], "v": pa.nulls(1, kind)})
    try:
        enforced = enforce(table, contract, extra_columns="keep").table
    except ContractError as error:
        return only(error.violations).message
    found = from_arrow(enforced.schema.field("v").type)
    assert parse_column_type(str(found)) == found
    return ""


BAD_NAMES = ["a:b", "a: b", "a,b", "a<b>", "", " ", "\u2028", "a ", "\ta", "a\n", "\u00a0a", "a: int64, b", "dc:title"]


@each_case("name", BAD_NAMES)
@each_case("contract", [None, columns(id="int64")])
def test_field_name_no_type_can_have_is_refused(name: str, contract: tuple[Column, ...] | None) -> None:
    for kind in (struct_of(name), pa.list_(struct_of(name)), pa.struct([pa.field("inner", struct_of(name))])):
        message = is_refused(kind, contract)
        assert (
            message == f"`v` holds a struct field {name!r}, which no column type can name; rename it in the transform"
        )


ZONES = ["Z", "utc", "+01", "+0100", "GMT+01:00", "UTC+1", "PST", "europe/berlin", "+23:59", "Mars/Olympus", "a b", "]"]


@each_case("zone", ZONES)
def test_time_zone_no_type_can_have_is_refused(zone: str) -> None:
    for kind in (pa.timestamp("us", zone), pa.list_(pa.timestamp("us", zone))):
        message = is_refused(kind, None)
        assert f"`v` holds timestamps in `{zone}`, which is not a time zone; declare timestamp[us, tz=UTC]" in message


def test_instants_in_an_unknown_zone_convert_to_utc() -> None:
    for zone in ZONES:
        result = pa.table({"v": pa.array([1, None], pa.timestamp("us", zone))})
        enforced = enforce(result, columns(v="timestamp[us, tz=UTC]")).table.column("v")
        assert enforced.cast(pa.int64()).to_pylist() == [1, None]


def test_dictionary_of_dictionaries_is_refused() -> None:
    values = pa.array(["x"]).dictionary_encode()
    nested = pa.DictionaryArray.from_arrays(pa.array([0], pa.int32()), values)
    found = only(violations(pa.table({"v": nested}), None))
    assert found.message == (
        "`v` holds dictionary<dictionary<string>>, which no column type can name; convert or drop the column"
    )


TYPES = st.recursive(
    st.sampled_from([pa.int64(), pa.string(), pa.decimal128(5, 2), pa.time32("s"), pa.date64(), pa.float16()])
    | st.builds(pa.timestamp, st.sampled_from(["s", "ns"]), st.sampled_from([None, "UTC", "+01:00"]) | st.text()),
    lambda inner: (
        inner.map(pa.list_)
        | inner.map(lambda kind: pa.dictionary(pa.int8(), kind))
        | st.dictionaries(st.text(" a:,<>\n\xa0t="), inner, min_size=1).map(lambda each: pa.struct(list(each.items())))
    ),
    max_leaves=5,
)


@pytest.mark.slow
@settings(max_examples=200)
@given(TYPES)
def test_kept_type_reads_back_from_its_text(kind: pa.DataType) -> None:
    is_refused(kind, None)
