"""Readers of inputs, which give each batch once: what a transform may do with them, and what would lose rows."""

from __future__ import annotations

import pytest

from tests.conftest import Cli, ProjectFolder

ROWS = 100_000
HEAD = """\
from collections.abc import Iterator
import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

"""


@pytest.fixture
def numbers(folder: ProjectFolder) -> ProjectFolder:
    """A source of many numbers, whose file takes several blocks."""
    columns = "columns: {id: int64, half: float64, text: string}"
    folder.write(
        "lakehouse.yaml", f"name: readers\nmodule: transforms\ntables:\n  numbers: {{kind: source, {columns}}}\n"
    )
    rows = "".join(f"{i},{i / 2},text number {i}\n" for i in range(ROWS))
    folder.write("data/numbers.csv", f"id,half,text\n{rows}")
    return folder


def add(folder: ProjectFolder, declarations: str, code: str) -> None:
    folder.add("lakehouse.yaml", declarations)
    folder.write("transforms.py", HEAD + code)


LOST = "was read before, and gives each batch once: rows would be missing"
OWN = "made = pa.RecordBatchReader.from_batches(numbers.schema, map(pc.drop_null, numbers))"
READ_BEFORE = {
    "reader to its end": ("rows = sum(b.num_rows for b in numbers)", "numbers", f"the reader that is returned {LOST}"),
    "a batch of the reader": ("numbers.read_next_batch()", "numbers", f"the reader that is returned {LOST}"),
    "generator": (
        "all = (b for b in numbers)\n    list(all)",
        "all",
        f"the generator that is returned {LOST}",
    ),
    "generator of the reader": (
        "list(numbers)",
        "(b for b in numbers)",
        f"the reader that the returned generator goes through {LOST}",
    ),
    "own reader to its end": (f"{OWN}\n    made.read_all()", "made", f"the reader that is returned {LOST}"),
    "own reader by DuckDB": (
        f"{OWN}\n    duckdb.connect().from_arrow(made).fetchall()",
        "made",
        f"the reader that is returned {LOST}",
    ),
    "a batch of an own reader": (f"{OWN}\n    next(made)", "made", f"the reader that is returned {LOST}"),
    "generator of an own reader": (
        f"{OWN}\n    list(made)",
        "(b for b in made)",
        f"the reader that the returned generator goes through {LOST}",
    ),
    "own reader that was not read": (OWN, "made", None),
    "own reader that goes on": (f"{OWN}\n    first = next(made)", "reader([first], made)", None),
    "no reader": ("schema = numbers.schema", "numbers", None),
    "generator that goes on": ("first = next(numbers)", "(b for bs in ([first], numbers) for b in bs)", None),
}


@pytest.mark.parametrize("kept", [False, True], ids=["streamed", "from memory"])
def test_reader_that_was_read_before_is_refused(numbers: ProjectFolder, cli: Cli, kept: bool) -> None:
    code = "def u(numbers: pd.DataFrame):\n    return numbers\n\n"
    code += "def reader(*parts):\n    found = (batch for part in parts for batch in part)\n"
    code += "    return pa.RecordBatchReader.from_batches(parts[0][0].schema, found)\n\n"
    kind = "Iterator[pa.RecordBatch]"
    for number, (before, returned, _) in enumerate(READ_BEFORE.values()):
        code += f"def t{number}(numbers: {kind}) -> {kind}:\n    {before}\n    return {returned}\n\n"
    add(numbers, "".join(f"  t{number}: {{}}\n" for number in range(len(READ_BEFORE))) + "  u: {}\n" * kept, code)
    found = {table["name"]: table for table in cli("run", "-o", "json").json["tables"]}
    lines = numbers.read("transforms.py").splitlines()
    for number, (_, returned, message) in enumerate(READ_BEFORE.values()):
        t = found[f"t{number}"]
        if message is None:
            assert t["rows"] == ROWS, t
            continue
        assert t["error"]["message"] == f"result of `t{number}`: {message}"
        assert lines[t["error"]["location"]["line"] - 1] == f"    return {returned}"
        assert "pyarrow.Table" in t["error"]["hint"]
        assert not (numbers.path / f"data/t{number}.csv").exists()


EMPTY = {
    "table": "return numbers.read_all().slice(0, 0).to_reader()",
    "list": "all = list(numbers)\n    return pa.RecordBatchReader.from_batches(all[0].schema, [])",
    "DuckDB": "return duckdb.connect().from_arrow(numbers).filter('id < 0').to_arrow_reader()",
    "lookup": (
        "made = pa.RecordBatchReader.from_batches(others.schema, (b for b in others if b.num_rows in known))\n"
        "    known = {-batch.num_rows for batch in numbers}\n    return made"
    ),
}


@pytest.mark.parametrize("kept", [False, True], ids=["streamed", "from memory"])
def test_reader_without_rows_is_an_empty_table(numbers: ProjectFolder, cli: Cli, kept: bool) -> None:
    """Whatever was read before: what is returned was not."""
    (numbers.path / "data/others.csv").write_bytes((numbers.path / "data/numbers.csv").read_bytes())
    columns = "columns: {id: int64, half: float64, text: string}"
    tables = f"  others: {{kind: source, {columns}}}\n" + "  u: {}\n" * kept
    code = "def u(numbers: pd.DataFrame):\n    return numbers\n\n"
    kind = "pa.RecordBatchReader"
    for number, body in enumerate(EMPTY.values()):
        tables += f"  t{number}: {{{columns}}}\n"
        code += f"def t{number}(numbers: {kind}, others: {kind}) -> {kind}:\n    {body}\n\n"
    add(numbers, tables, code)
    found = {table["name"]: table for table in cli("run", "-o", "json").json["tables"]}
    assert [found[f"t{number}"].get("rows") for number in range(len(EMPTY))] == [0] * len(EMPTY), found


TWICE = {
    "two loops": "    rows = sum(b.num_rows for b in numbers)\n    yield from numbers",
    "two functions": "    count(numbers)\n    yield from tally(count(numbers))",
    "list and read_all": "    list(numbers)\n    yield from numbers.read_all().to_batches()",
    "polars": "    pl.DataFrame(numbers)\n    yield from tally(len(pl.DataFrame(numbers)))",
    "no generator": "    list(numbers)\n    return iter(list(numbers))",
    "error that is caught": "    list(numbers)\n    with suppress(Exception):\n        yield from numbers",
    "relation": "    list(numbers)\n    return duckdb.connect().from_arrow(numbers)",
}


@pytest.mark.parametrize("kept", [False, True], ids=["streamed", "from memory"])
def test_reader_that_is_read_twice_is_refused(numbers: ProjectFolder, cli: Cli, kept: bool) -> None:
    """The second reading finds no rows: a table without them would be a wrong one."""
    code = (
        "from contextlib import suppress\nimport polars as pl\n\n"
        "def count(rows):\n    return sum(b.num_rows for b in rows)\n\n"
        "def tally(rows):\n    yield pa.RecordBatch.from_pydict({'id': [rows]})\n\n"
    )
    whole = "def u(numbers: pd.DataFrame):\n    return numbers\n\n"
    for number, body in enumerate(TWICE.values()):
        annotation = "pa.RecordBatchReader" if number % 2 else "Iterator[pa.RecordBatch]"
        code += f"def t{number}(numbers: {annotation}) -> Iterator[pa.RecordBatch]:\n{body}\n\n"
    names = [f"t{number}" for number in range(len(TWICE))]
    columns = "columns: {id: int64}, extra_columns: drop, order_by: id"
    add(numbers, "".join(f"  {name}: {{{columns}}}\n" for name in names) + "  u: {}\n" * kept, code + whole)
    tables = {table["name"]: table for table in cli("run", "-o", "json").json["tables"]}
    lines = numbers.read("transforms.py").splitlines()
    for name, body in zip(names, TWICE.values(), strict=True):
        error = tables[name]["error"]
        assert "`numbers` is read a second time, and a reader gives each batch once" in error["message"], error
        assert "annotate it with `pyarrow.Table`" in error["hint"]
        line = lines[error["location"]["line"] - 1]
        assert line in body or line == "    return sum(b.num_rows for b in rows)", (name, line)
        assert not (numbers.path / f"data/{name}.csv").exists()
