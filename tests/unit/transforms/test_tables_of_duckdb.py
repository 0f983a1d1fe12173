"""Relations of DuckDB and tables of ibis, as transforms take and return them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse_cli.contracts import enforce
from lakehouse_cli.errors import ContractError, TransformError
from lakehouse_cli.model import Column, FunctionRef, parse_column_type
from lakehouse_cli.model.computation import Input
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.transforms import SharedTable, StreamedTable, apply, load_transform

TABLE = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})
pytestmark = pytest.mark.slow
HEAD = "import duckdb, ibis\nimport ibis.expr.types as ir\nimport pandas as pd\n\n"


def call(folder: Path, source: str, table: SharedTable | StreamedTable | None = None, name: str = "f") -> pa.Table:
    (folder / "transforms.py").write_text(HEAD + source)
    transform = load_transform(FunctionRef("transforms", name), folder)
    takes = "t" in [parameter.name for parameter in transform.parameters]
    inputs = [(Input("t", "t"), table or SharedTable(TABLE))] if takes else []
    return pa.concat_tables(apply(transform, inputs))


def failure(folder: Path, source: str, name: str = "f") -> TransformError:
    with pytest.raises(TransformError) as caught:
        call(folder, source, name=name)
    return caught.value


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def f(t: ibis.Table):\n    return t.filter(t.a > 1).select('a')\n", [2, 3]),
        ("def f(t: ir.Table) -> ir.Table:\n    return t.agg(a=t.a.sum())\n", [6]),
        ("def f(t: 'ibis.Table'):\n    return t.filter(t.a < 0).select('a')\n", []),
        ("def f(t: ibis.Table):\n    return ibis.memtable({'n': [1]}).join(t, ibis._.n == t.a).select('a')\n", [1]),
        ("def f() -> ibis.Table:\n    return ibis.memtable(pd.DataFrame({'a': [7]}))\n", [7]),
        (
            "def f(t: ibis.Table):\n    query = 'SELECT max(a) AS a FROM ' + t.get_name()\n"
            "    return t.get_backend().sql(query, schema={'a': 'int64'})\n",
            [3],
        ),
        ("def f(t: ibis.Table):\n    return t.order_by(ibis.desc('a')).limit(2).select('a').cache()\n", [3, 2]),
        (
            "@ibis.udf.scalar.python\ndef twice(x: int) -> int:\n    return 2 * x\n\n"
            "def f(t: ibis.Table):\n    return t.select(a=twice(t.a))\n",
            [2, 4, 6],
        ),
        (
            "def f(t: ibis.Table, u: duckdb.DuckDBPyRelation = None):\n    assert t.execute().shape == (3, 2)\n"
            "    return t.select('a').to_pandas()\n",
            [1, 2, 3],
        ),
    ],
)
def test_tables_of_ibis_are_computed(folder: Path, source: str, expected: list[int]) -> None:
    (folder / "transforms.py").write_text(HEAD + source)
    transform = load_transform(FunctionRef("transforms", "f"), folder)
    takes = bool(transform.parameters)
    found = apply(transform, [(Input("t", "t"), SharedTable(TABLE))] if takes else [])
    table = found if isinstance(found, pa.Table) else pa.concat_tables(found)
    assert table.column("a").to_pylist() == expected


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "return ibis.duckdb.connect().sql('select 1', schema={'1': 'int32'})",
            "the table is on another connection than the inputs",
        ),
        (
            "kept.append(t)\n    other = ibis.duckdb.connect().create_table('x', t.to_pyarrow())\n"
            "    return t.union(other)",
            "the table is on another connection than the inputs",
        ),
        ("t.get_backend().disconnect()\n    return t", "DuckDB cannot compute the table: Connection Error"),
        ("return ibis.table({'a': 'int64'}, name='input_1')", "DuckDB cannot compute the table: Catalog Error"),
        ("return t.mutate(A=t.a * 2)", "the table, or one that it is made from, has columns `a` and `A`"),
        ("return t.mutate(A=t.a * 2).select('A').limit(1)", "the table, or one that it is made from, has columns"),
        ("return t.select(a=t.b.cast('int64'))", "DuckDB cannot compute the table: Conversion Error"),
    ],
)
def test_tables_of_ibis_that_cannot_be_are_refused(folder: Path, body: str, message: str) -> None:
    error = failure(folder, f"kept = []\n\ndef f(t: ibis.Table):\n    {body}\n")
    assert error.message.startswith(f"result of `f`: {message}")
    assert error.location is not None
    assert (error.location.file, error.location.source) == ("transforms.py", body.splitlines()[-1].strip())


def test_table_of_an_earlier_call_is_refused(folder: Path) -> None:
    """Though it has the place in that call which an input has in this one."""
    source = "kept = []\n\ndef f(t: ibis.Table):\n    kept.append(t)\n    return kept[0]\n"
    assert call(folder, source).equals(TABLE)
    other = SharedTable(pa.table({"a": [9], "b": ["other"]}))
    with pytest.raises(TransformError, match="the table is on another connection than the inputs") as caught:
        call(folder, source, other)
    assert caught.value.hint == "make it from the inputs or with `ibis.memtable`, or return `.to_pyarrow()`"


def test_relation_of_an_earlier_call_is_refused(folder: Path) -> None:
    source = "kept = []\n\ndef f(t: duckdb.DuckDBPyRelation):\n    kept.append(t)\n    return kept[0]\n"
    assert call(folder, source).equals(TABLE)
    with pytest.raises(TransformError, match=r"DuckDB cannot compute the relation: .*onnection") as caught:
        call(folder, source, SharedTable(pa.table({"a": [9], "b": ["other"]})))
    assert caught.value.hint == "return a relation of the connection that the inputs are on, or `.to_arrow_table()`"


@pytest.mark.parametrize(
    ("query", "both"),
    [
        ('SELECT a, a * 2 AS "A" FROM t', "columns `a` and `A`, which are one to DuckDB"),
        ("SELECT a, b AS a FROM t", "two columns called `a`"),
    ],
)
def test_columns_that_are_one_to_duckdb_are_refused(folder: Path, query: str, both: str) -> None:
    """The first of them would be stored as both."""
    source = f"def f(t: duckdb.DuckDBPyRelation):\n    return t.query('t', {query!r})\n"
    assert failure(folder, source).message == f"result of `f`: the relation has {both}"


@pytest.mark.parametrize("kind", ["duckdb.DuckDBPyRelation", "ibis.Table"])
def test_result_is_computed_once(folder: Path, kind: str) -> None:
    opened = []

    def pieces() -> Iterator[pa.Table]:
        opened.append(1)
        for start in range(0, 300_000, 1_000):
            yield pa.table({"a": pa.array(range(start, start + 1_000), pa.int64())})

    table = StreamedTable(pieces, InputRecord("", 0, 0))
    result = call(
        folder, f"def f(t: {kind}):\n    return t.filter(t.a >= 7)\n".replace("t.a >= 7", _CONDITION[kind]), table
    )
    assert result.num_rows == 300_000 - 7
    assert len(opened) == 1


_CONDITION = {"duckdb.DuckDBPyRelation": "'a >= 7'", "ibis.Table": "t.a >= 7"}


@pytest.mark.parametrize(
    ("value", "named"),
    [("5::UHUGEINT", "UHUGEINT"), ("TIMETZ '12:00:00+05'", "TIME WITH TIME ZONE"), ("'101'::BIT", "BIT")],
)
def test_columns_of_ibis_that_arrow_bends_are_refused(folder: Path, value: str, named: str) -> None:
    """Or come as the text that they have in DuckDB."""
    depths = {"a": "{}", "b": "[{}]", "c": "{{'x': [{}]}}", "d": "MAP {{1: {}}}"}
    schema = "dict.fromkeys('abcd', 'string')"
    columns = {name: depth.format(value) for name, depth in depths.items()}
    cast = ", ".join(f"({column})::VARCHAR AS {name}" for name, column in columns.items())
    source = f"def f(t: ibis.Table):\n    return t.get_backend().sql({{!r}}, schema={schema})\n"
    as_cast = call(folder, source.format(f"SELECT {cast}"))
    result = call(
        folder, source.format(f"SELECT {', '.join(f'{column} AS {name}' for name, column in columns.items())}")
    )
    for name in depths:
        wanted = (Column(name, parse_column_type("string")),)
        if name == "a":
            assert enforce(result.select([name]), wanted).table.equals(enforce(as_cast.select([name]), wanted).table)
            continue
        with pytest.raises(ContractError) as caught:
            enforce(result.select([name]), wanted)
        assert named in caught.value.violations[0].message


def test_sum_of_ibis_is_exact(folder: Path) -> None:
    """DuckDB's sums of integers have 128 bits, and ibis calls them int64."""
    big = SharedTable(pa.table({"a": [(1 << 62) + 1, (1 << 62) + 1, 1]}))
    source = "def f(t: ibis.Table):\n    return t.agg(a=t.a.sum())\n"
    wanted = (Column("a", parse_column_type("decimal128(38, 0)")),)
    (folder / "transforms.py").write_text(HEAD + source)
    transform = load_transform(FunctionRef("transforms", "f"), folder)
    found = pa.concat_tables(apply(transform, [(Input("t", "t"), big)], columns=wanted))
    assert [int(value) for value in enforce(found, wanted).table.column("a").to_pylist()] == [(1 << 63) + 3]
    with pytest.raises(ContractError, match="too large"):
        enforce(call(folder, source, big), None)


@pytest.mark.parametrize(
    ("frame", "missing", "extra"),
    [
        ("ibis.Table", "ibis", "ibis"),
        ("ibis.Table", "duckdb", "ibis"),
        ("dask.dataframe.DataFrame", "dask", "dask"),
        ("pyspark.sql.DataFrame", "pyspark", "spark"),
    ],
)
def test_packages_are_optional(frame: str, missing: str, extra: str) -> None:
    code = f"""
import sys
sys.modules["{missing}"] = None
from lakehouse_cli.errors import TransformError
from lakehouse_cli.transforms import frame_type_of
try:
    frame_type_of("{frame}")
except TransformError as error:
    print(error.message, "|", error.hint)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"`{frame}` needs {missing}, which is not installed | pip install 'lakehouse-cli[{extra}]'\n"
