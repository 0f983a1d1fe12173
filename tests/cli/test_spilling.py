"""What does not fit into memory: the same tables, a full disk is said, and nothing is left of it."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests import preloaded
from tests.conftest import ProjectFolder
from tests.preloaded import Preloaded

pytestmark = pytest.mark.slow
#: Of this many rows, and of their keys, an eighth fits into the memory that is given to them.
ROWS = 250_000
SMALL = """
from lakehouse_cli.contracts import keys, spilled_parts
from lakehouse_cli.cli.main import main
from lakehouse_cli.runner import external_sort
external_sort._IN_MEMORY, keys._IN_MEMORY, spilled_parts._WAITING = 1 << 20, 1 << 18, 1 << 17
main()
"""
COMMAND = [sys.executable, "-c", SMALL]
CODE = f"""\
import os
import time
from collections.abc import Iterator

import polars as pl
import pyarrow as pa


def blocks():
    for start in reversed(range(0, {ROWS}, 12_500)):
        yield pa.record_batch({{"a": pa.array(range(start, start + 12_500))}})


def turned() -> Iterator[pa.RecordBatch]:
    yield from blocks()


def lazy() -> pl.LazyFrame:
    return pl.concat([pl.LazyFrame(batch) for batch in blocks()])


def twice() -> Iterator[pa.RecordBatch]:
    yield from blocks()
    yield pa.record_batch({{"a": [7, {ROWS}, 8]}})


def whole() -> pa.Table:
    return pa.Table.from_batches(blocks())


def few() -> Iterator[pa.RecordBatch]:
    yield pa.record_batch({{"a": [1]}})


def endless() -> Iterator[pa.RecordBatch]:
    yield from blocks()
    open("spilled", "w").close()
    time.sleep(600)
"""
PROJECT = """\
name: spilling
module: transforms
storages: {default: {root: data, format: parquet}}
tables:
  turned: {columns: {a: int64}, order_by: a, key: a}
  lazy: {columns: {a: int64}, key: a}
  twice: {columns: {a: int64}, key: a}
  whole: {columns: {a: int64}, order_by: a}
  few: {}
  endless: {columns: {a: int64}, order_by: a, key: a}
"""


@pytest.fixture
def scratch(folder: ProjectFolder, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder.write("lakehouse.yaml", PROJECT)
    folder.write("transforms.py", CODE)
    (folder.path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(folder.path / "tmp"))
    return folder.path / "tmp"


def run_of(table: str, limit: int = resource.RLIM_INFINITY) -> dict[str, Any]:
    """A run whose files may have so many bytes."""
    limited = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n{SMALL}"
    command = [sys.executable, "-c", limited, "run", "-o", "json", table]
    done = preloaded.run(command, capture_output=True, text=True, timeout=300)
    found: dict[str, Any] = json.loads(done.stdout)["tables"][0]
    return found


@pytest.mark.parametrize("table", ["turned", "lazy", "whole"])
def test_rows_beyond_memory_are_sorted(folder: ProjectFolder, scratch: Path, table: str) -> None:
    found = run_of(table)
    assert (found["error"], found["rows"]) == (None, ROWS)
    stored = pq.read_table(folder.path / f"data/{table}.parquet")["a"].to_numpy()
    assert stored[::24_999].tolist() == [*range(0, ROWS, 24_999)]
    assert list(scratch.iterdir()) == []


def test_keys_beyond_memory_are_compared(scratch: Path) -> None:
    (violation,) = run_of("twice")["error"]["violations"]
    assert violation["message"] == "key `a`: 2 rows repeat earlier keys"
    assert [(each["row"], each["value"]) for each in violation["examples"]] == [(ROWS + 1, "7"), (ROWS + 3, "8")]
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ("turned", "the keys of its rows"),
        ("lazy", "the rows of `lazy` to be sorted"),
        ("whole", "the rows of `whole` to be sorted"),
    ],
)
def test_full_disk_is_said_and_the_old_table_stays(folder: ProjectFolder, scratch: Path, table: str, what: str) -> None:
    old = CODE.replace(f"reversed(range(0, {ROWS}, 12_500))", "[0]")
    folder.write("transforms.py", old)
    assert run_of(table)["rows"] == 12_500
    before = (folder.path / f"data/{table}.parquet").read_bytes()
    folder.write("transforms.py", CODE)
    error = run_of(table, limit=512_000)["error"]
    assert error["message"] == f"{what} do not fit into memory, and not into {scratch} either: file too large"
    assert error["hint"] == "raise the limit on file sizes (`ulimit -f`)"
    assert (folder.path / f"data/{table}.parquet").read_bytes() == before
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("kind", ["duckdb.DuckDBPyRelation", "query"])
def test_nothing_is_left_of_a_result_that_no_storage_takes(folder: ProjectFolder, scratch: Path, kind: str) -> None:
    query = "select range as a, 'a text' as b from range(3000000), src"
    folder.write("lakehouse.yaml", "name: s\nmodule: transforms\ntables:\n  src: {kind: source}\n  big: {}\n")
    folder.write("data/src.csv", "n\n1\n")
    if kind == "query":
        folder.edit("lakehouse.yaml", "big: {}", f'big: {{sql: "{query} order by a"}}')
    code = f"def big(src: {kind}) -> {kind}:\n    return src.query('src', {query!r})\n"
    folder.write("transforms.py", f"import duckdb\n\n\n{'' if kind == 'query' else code}")
    assert "file too large" in run_of("big", limit=1_024_000)["error"]["message"]
    assert list(scratch.iterdir()) == []


def test_nothing_is_left_of_a_killed_run(folder: ProjectFolder, scratch: Path) -> None:
    process = Preloaded([*COMMAND, "run", "endless"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (folder.path / "spilled").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert any(str(scratch) in str(file.readlink()) for file in Path(f"/proc/{process.pid}/fd").iterdir())
    process.send_signal(signal.SIGKILL)
    process.wait(30)
    assert list(scratch.iterdir()) == []
    assert run_of("few")["rows"] == 1
    assert not [file for file in (folder.path / "data").iterdir() if "lakehouse-tmp" in file.name]
