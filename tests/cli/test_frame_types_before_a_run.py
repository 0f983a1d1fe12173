"""What `validate` and `plan` say of frame types before anything runs, and what engines cannot hold."""

from __future__ import annotations

import pytest

from tests.conftest import Cli, ProjectFolder

IMPORTS = """\
from collections.abc import Generator, Iterator
import pyarrow as pa

"""


def test_annotations_are_known_before_anything_runs(folder: ProjectFolder, cli: Cli) -> None:
    folder.declare("s: {kind: source}\nt: {}")
    for good in ("pa.RecordBatchReader", "Iterator[pa.RecordBatch]", "Generator[pa.RecordBatch, None, None]"):
        folder.write("transforms.py", f"{IMPORTS}def t(s: {good}) -> {good}:\n    return s\n")
        assert cli("validate").code == 0
    for bad in ("Iterator[int]", "Iterator", "pa.RecordBatch"):
        folder.write("transforms.py", f"{IMPORTS}def t(s: {bad}):\n    return s\n")
        assert cli("validate").code == 3


def test_plan_notes_rows_without_an_order(folder: ProjectFolder, cli: Cli) -> None:
    code = "import duckdb, ibis\nimport polars as pl\n\n"
    for name, kind in (
        ("a", "pl.LazyFrame"),
        ("b", "duckdb.DuckDBPyRelation"),
        ("e", "ibis.Table"),
        ("c", "pl.DataFrame"),
        ("d", "pl.LazyFrame"),
    ):
        code += f"def {name}(s: pl.LazyFrame) -> {kind}: ...\n"
    folder.write("transforms.py", code)
    tables = "  s: {kind: source}\n  a: {}\n  b: {}\n  c: {}\n  d: {order_by: x}\n  e: {}\n"
    folder.declare(tables)
    for command in ("validate", "plan"):
        done = cli(command)
        noted = [line for line in (done.out + done.err).splitlines() if "another order each time" in line]
        assert [line.partition("`")[2].partition(":")[0] for line in noted] == [
            "a` is a polars.LazyFrame, whose rows may come in another order each time",
            "b` is a duckdb.DuckDBPyRelation, whose rows may come in another order each time",
            "e` is an ibis.Table, whose rows may come in another order each time",
        ]


def test_plan_notes_eager_groups_without_an_order(folder: ProjectFolder, cli: Cli) -> None:
    code = "import polars as pl\n\n"
    for name, kind, call in (
        ("a", "pl.DataFrame", "s.group_by('x').len()"),
        ("b", "pl.DataFrame", "s.unique(\n        maintain_order=False)"),
        ("c", "pl.DataFrame", "s.group_by('x', maintain_order=True).len()"),
        ("d", "pl.DataFrame", "s.group_by('x').len().sort('x')"),
        ("e", "pl.DataFrame", "s.group_by('x').len()"),
        ("f", "pl.LazyFrame", "s.lazy().group_by('x').len()"),
    ):
        code += f"def {name}(s: pl.DataFrame) -> {kind}:\n    return {call}\n"
    folder.write("transforms.py", code)
    folder.declare("  s: {kind: source}\n  a: {key: x}\n  b: {}\n  c: {}\n  d: {}\n  e: {order_by: x}\n  f: {key: x}\n")
    for command in ("validate", "plan"):
        done = cli(command)
        noted = [line for line in (done.out + done.err).splitlines() if "another order each time" in line]
        assert [line.partition("`")[2].partition(",")[0] for line in noted] == [
            "a` calls `group_by` (transforms.py:4)",
            "b` calls `unique` (transforms.py:6)",
        ]
        assert all(line.endswith("set `order_by`, or pass `maintain_order=True`") for line in noted)


@pytest.mark.parametrize("kind", ["duckdb.DuckDBPyRelation", "ibis.Table"])
def test_what_duckdb_cannot_hold_is_refused_with_its_row(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    folder.write(
        "lakehouse.yaml",
        "name: x\nmodule: transforms\ntables:\n"
        "  s: {kind: source, columns: {t: 'timestamp[ns, tz=UTC]', text: string}}\n  t: {}\n",
    )
    rows = "".join(f"2024-01-01T00:00:00Z,row {i} of many that fill blocks\n" for i in range(200_000))
    folder.write("data/s.csv", f"t,text\n{rows}2024-01-01T00:00:00.000000001Z,last\n")
    folder.write("transforms.py", f"import duckdb, ibis\n\ndef t(s: {kind}):\n    return s\n")
    done = cli("run", "-o", "json")
    assert done.code == 1
    message = next(table["error"]["message"] for table in done.json["tables"] if table["name"] == "t")
    assert "DuckDB cannot hold what `the input` has in row 200,001: `t` holds 1 value that is finer" in message
    assert "Traceback" not in message


@pytest.mark.parametrize("kind", ["duckdb.DuckDBPyRelation", "ibis.Table"])
def test_columns_that_duckdb_cannot_have_are_refused_before_a_run(folder: ProjectFolder, cli: Cli, kind: str) -> None:
    folder.declare(
        """
        upper: {kind: source, columns: {A: int64, a: int64}}
        inside: {kind: source, columns: {x: "struct<b: int64, B: int64>"}}
        good: {kind: source, columns: {Ä: int64, ä: int64, t: "timestamp[ns, tz=UTC]", d: "duration[ns]"}}
        t: {inputs: [upper, inside, good]}
        u: {inputs: [good], columns: {A: int64, a: int64}}
        v: {inputs: [good], columns: {Ä: int64, ä: int64}}
        """
    )
    parameters = ", ".join(f"{name}: {kind}" for name in ("upper", "inside", "good"))
    code = f"import duckdb, ibis\n\ndef t({parameters}): ...\n"
    folder.write("transforms.py", code + "".join(f"def {name}(good: {kind}) -> {kind}: ...\n" for name in "uv"))
    problems = cli("validate", "-o", "json").json["error"]["problems"]
    assert [(each["line"], each["message"].partition(": ")[2]) for each in problems] == [
        (3, "it has columns `A` and `a`, which are one to DuckDB"),
        (
            3,
            "it has a column that no query can read, `x`: "
            "struct<b: int64, B: int64> has fields that differ in case alone, which DuckDB takes for one",
        ),
        (4, "it has columns `A` and `a`, which are one to DuckDB"),
    ]
