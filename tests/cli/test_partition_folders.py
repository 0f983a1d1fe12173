"""Folders that DuckDB and polars write by the values of a column, read as sources: every text as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from tests.conftest import Cli, ProjectFolder

TEXTS = [
    *("a/b", "x=y", "%41", " lead", "trail ", "", "é", "e\u0301", "01001", "2024-01-03", "2024-01", "NaN", "1e3", "1d"),
    *(
        "true",
        "null",
        "NULL",
        "epoch",
        "0x1F",
        "10:00:00",
        "a:b",
        "a b",
        ".",
        "..",
        "_x",
        ".y",
        "A",
        "a*b",
        'q"q',
        "tab\t",
    ),
]


def by_duckdb(data: pa.Table, folder: Path) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.register("data", data)
        connection.execute(f"copy (from data) to '{folder}' (format parquet, partition_by (k))")


def by_polars(data: pa.Table, folder: Path) -> None:
    import polars

    frame = polars.DataFrame(data)
    frame.write_parquet(polars.PartitionBy(folder, key=["k"], include_key=False), mkdir=True)


@pytest.mark.parametrize("write", [by_duckdb, by_polars])
def test_partition_values_are_read_as_written(write: object, folder: ProjectFolder, cli: Cli) -> None:
    assert callable(write)
    texts = [*TEXTS, None]
    data = pa.table({"n": pa.array(range(len(texts)), pa.int64()), "k": pa.array(texts, pa.string())})
    folder.declare("a: {kind: source, path: a/, format: parquet, columns: {n: int64, k: string}}")
    (folder.path / "data").mkdir()
    write(data, folder.path / "data" / "a")
    shown = json.loads(cli("show", "a", "-n", "100", "-o", "json").out)
    assert {row["n"]: row["k"] for row in shown["rows"]} == dict(enumerate(texts))


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_partition_values_pass_through_as_they_are(folder: ProjectFolder, cli: Cli, format_: str) -> None:
    texts = [*TEXTS, None]
    data = pa.table({"n": pa.array(range(len(texts)), pa.int64()), "k": pa.array(texts, pa.string())})
    folder.declare(
        f"""
        raw: {{kind: source, path: raw/, format: parquet, partitions: [k], columns: {{n: int64, k: string}}}}
        a: {{partitions: [k], format: {format_}, columns: {{k: string, n: int64, given: string}}, inputs: [raw]}}
        b: {{function: b, partitions: [k], format: {format_}, columns: {{k: string, n: int64}}, inputs: [a]}}
        """,
        """
        def a(raw, k):
            return raw.drop(columns="k").assign(given=k)

        def b(a):
            return a[["n"]]
        """,
    )
    (folder.path / "data").mkdir()
    by_duckdb(data, folder.path / "data" / "raw")
    ran = cli("run")
    assert (ran.code, ran.err) == (0, "")
    for name in ("a", "b"):
        shown = json.loads(cli("show", name, "-n", "100", "-o", "json").out)
        assert {row["n"]: row["k"] for row in shown["rows"]} == dict(enumerate(texts))
        assert all(row.get("given", row["k"]) == row["k"] for row in shown["rows"])
    for text in ("a/b", "", "x=y"):
        shown = json.loads(cli("show", "b", "--partition", f"k={text}", "-o", "json").out)
        assert [row["k"] for row in shown["rows"]] == [text]
    assert "nothing to do" in cli("plan").out
