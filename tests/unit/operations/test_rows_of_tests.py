"""Rows that are written into tests and read again, and rows that are made up: they are what the contract says."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.config.problems import Problems
from lakehouse_cli.config.reading import Reader
from lakehouse_cli.config.source import SourceFile
from lakehouse_cli.config.transform_tests import Rows
from lakehouse_cli.config.yaml_tree import Mapping, Sequence, parse_yaml
from lakehouse_cli.contracts import check, enforce
from lakehouse_cli.errors import Location
from lakehouse_cli.model import Column, Contract, Table, parse_column_type
from lakehouse_cli.operations.transform_tests.comparer import compare_rows
from lakehouse_cli.operations.transform_tests.generation import generate_rows
from lakehouse_cli.operations.transform_tests.values import RowReader
from lakehouse_cli.operations.transform_tests.yaml_rows import yaml_rows
from lakehouse_cli.testing.every_type import VALUES
from tests.cases import each_case


def read_again(data: pa.Table) -> pa.Table:
    """Write rows as YAML, and read them by the types that they had."""
    source = SourceFile(Path(), "x.yaml", "".join(f"- {row}\n" for row in yaml_rows(data, with_nulls=True)) or "[]")
    problems = Problems()
    root = parse_yaml(source, problems)
    assert isinstance(root, Sequence), source.text
    rows = Rows(Location("x.yaml"), tuple(each for each in root.items if isinstance(each, Mapping)))
    reader = RowReader(Reader(source, problems), problems, "it")
    columns = {field.name: reader.column(rows, field.name, field.type) for field in data.schema}
    assert [*map(str, (each.message for each in problems.sorted("")))] == []
    return pa.table(columns)


@each_case("name", VALUES)
def test_values_of_every_type_are_read_as_they_were(name: str) -> None:
    kind = to_arrow(parse_column_type(name))
    values = VALUES[name]
    data = pa.table({"a b": values.cast(kind) if isinstance(values, pa.Array) else pa.array(values, kind)})
    again = read_again(data)
    assert again.schema.equals(data.schema)
    assert compare_rows(data, again, ordered=True) is None


@given(st.lists(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"])))))
def test_any_text_is_read_as_it_was(texts: list[str | None]) -> None:
    data = pa.table(
        {"s": pa.array(texts, pa.string()), "l": pa.array([[each] for each in texts], pa.list_(pa.string()))}
    )
    assert read_again(data).to_pylist() == data.to_pylist()


@given(st.sampled_from([*VALUES]), st.booleans(), st.integers(0, 30), st.integers(0, 3))
def test_rows_that_are_made_up_keep_their_contract(name: str, nullable: bool, rows: int, seed: int) -> None:
    columns = tuple(Column(each, parse_column_type(kind), nullable) for each, kind in (("k", "int64"), ("v", name)))
    for key in ((), ("k",), ("k", "v") if not columns[1].type.is_nested else ("k",)):
        table = Table("t", contract=Contract(columns, key))
        made = generate_rows(table, rows, seed)
        assert made.num_rows == rows or len(key) > 1
        assert not check(made, columns, key=key).violations
        assert enforce(made, columns, key=key).table.equals(made)
        assert generate_rows(table, rows, seed).equals(made)
