"""Python scripts that use `Project` end with the right exit code, whatever Arrow's threads are at when they do."""

from __future__ import annotations

import os
import subprocess
import sys

import deltalake
import openpyxl
import pyarrow as pa
import pytest

from tests.conftest import ProjectFolder
from tests.servers.s3 import S3Server

pytestmark = pytest.mark.slow

SCRIPT = """
import sys
from lakehouse_cli import Project
project = Project.load(".")
if "run" in sys.argv:
    assert project.run().status == "success"
for name in [each for each in sys.argv if each.startswith("copy")] or ["copy"]:
    table, frame = project.read_arrow(name), project.read(name)
    print(table.num_rows)
if "raise" in sys.argv:
    raise ValueError("at the end")
"""
TRANSFORMS = """
import pyarrow as pa

def numbers() -> pa.Table:
    return pa.table({"n": range(100_000), "text": [f"value {n}" for n in range(100_000)]})

def copy(numbers: pa.Table) -> pa.Table:
    return numbers
"""
#: Those that Arrow reads in threads of its own.
THREADED = {
    "parquet": "{root: data, format: parquet, options: {row_group_rows: 1000}}",
    "ipc": "{root: data, format: ipc}",
    "delta": "{type: delta, root: lake}",
}
OTHERS = {
    "csv": "{root: data}",
    "jsonl": "{root: data, format: jsonl}",
    "json": "{root: data, format: json}",
    "duckdb": "{type: duckdb, root: data.duckdb}",
    "sqlite": "{type: sqlite, root: data.sqlite}",
}


def ran(folder: ProjectFolder, *argv: str, **environ: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "script.py", *argv],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environ},
        cwd=folder.path,
    )
    return done.returncode, done.stdout


def prepare(folder: ProjectFolder, storage: str) -> None:
    tables = "tables: {numbers: {}, copy: {}}"
    folder.write("lakehouse.yaml", f"name: exits\nmodule: t\nstorages:\n  default: {storage}\n{tables}\n")
    folder.write("t.py", TRANSFORMS)
    folder.write("script.py", SCRIPT)


def append(place: str, **options: str) -> None:
    for _ in range(20):
        row = pa.table({"n": [1], "text": ["more"]})
        deltalake.write_deltalake(place, row, mode="append", storage_options=options)


@pytest.mark.parametrize("storage", THREADED)
def test_script_ends_with_zero(folder: ProjectFolder, storage: str) -> None:
    prepare(folder, THREADED[storage])
    assert ran(folder, "run") == (0, "100000\n")
    rows = 100_000
    if storage == "delta":
        append("lake/copy")
        rows += 20
    # Also where a script does nothing but read.
    assert ran(folder) == (0, f"{rows}\n")


def test_script_on_other_storages_ends_with_zero(folder: ProjectFolder) -> None:
    prepare(folder, "{root: numbers}" + "".join(f"\n  {name}: {storage}" for name, storage in OTHERS.items()))
    copies = {f"copy_{name}": name for name in OTHERS}
    declared = "".join(f", {table}: {{storage: {name}}}" for table, name in copies.items())
    folder.edit("lakehouse.yaml", ", copy: {}", declared)
    code = "".join(f"def {table}(numbers: pa.Table) -> pa.Table:\n    return numbers\n\n" for table in copies)
    folder.add("t.py", code)
    assert ran(folder, "run", *copies) == (0, "100000\n" * len(OTHERS))


@pytest.mark.parametrize("storage", ["parquet", "delta"])
def test_raising_script_ends_with_one(folder: ProjectFolder, storage: str) -> None:
    prepare(folder, THREADED[storage])
    assert ran(folder, "run", "raise") == (1, "100000\n")


def test_script_on_memory_ends_with_zero(folder: ProjectFolder) -> None:
    prepare(folder, "{root: 'memory://exits', format: parquet, options: {row_group_rows: 1000}}")
    assert ran(folder, "run") == (0, "100000\n")


def test_script_on_excel_ends_with_zero(folder: ProjectFolder) -> None:
    book = openpyxl.Workbook()
    for row in [("n", "text"), *((n, f"value {n}") for n in range(1_000))]:
        book.active.append(row)
    prepare(folder, "{root: data}\n  books: {root: data, format: excel}")
    source = "{kind: source, storage: books, columns: {n: int64, text: string}}"
    folder.edit("lakehouse.yaml", "numbers: {}", f"numbers: {source}")
    (folder.path / "data").mkdir()
    book.save(folder.path / "data/numbers.xlsx")
    assert ran(folder, "run") == (0, "1000\n")


@pytest.mark.parametrize("how", ["type: delta", "format: parquet, options: {row_group_rows: 1000}"])
def test_script_on_s3_ends_with_zero(folder: ProjectFolder, s3_server: S3Server, how: str) -> None:
    s3_server.make_bucket("exits")
    prepare(folder, f'{{root: "s3://exits/{how[:4]}", {how}}}')
    assert ran(folder, "run", **s3_server.environ) == (0, "100000\n")
    rows = 100_000
    if "delta" in how:
        append("s3://exits/type/copy", aws_conditional_put="etag", **s3_server.environ)
        rows += 20
    assert ran(folder, **s3_server.environ) == (0, f"{rows}\n")
