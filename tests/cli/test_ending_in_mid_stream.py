"""Runs that are ended, or fail, while a table is being written batch by batch: nothing of it is left."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests import preloaded
from tests.cli.running import COMMAND, PATIENCE, kill_group, running, until
from tests.conftest import Cli, ProjectFolder

EXECUTORS = ["threads", "serial", "processes"]
YAML = """\
name: streams
module: transforms
storages:
  csv: {root: made}
  parquet: {root: made, format: parquet, options: {row_group_rows: 1000}}
  delta: {root: made/lakes, type: delta}
tables:
  s: {kind: source, columns: {a: int64}}
  t: {storage: STORAGE, path: deep/t, columns: {a: int64}}
"""
# More and more rows, until there is a file that ends it.
CODE = """\
import os, pathlib, signal, threading, time
from collections.abc import Iterator
import duckdb
import pyarrow as pa

def tell_of_interruptions():
    heed = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is threading.main_thread() and callable(heed):
        signal.signal(signal.SIGINT, lambda *how: (heed(*how), pathlib.Path("heeded").touch()))

def t(s: duckdb.DuckDBPyRelation) -> Iterator[pa.RecordBatch]:
    tell_of_interruptions()
    limit = time.monotonic() + PATIENCE
    while not pathlib.Path("go").exists() and time.monotonic() < limit:
        numbers = pa.Array.from_buffers(pa.int64(), 200_000, [None, pa.py_buffer(os.urandom(1_600_000))])
        yield pa.RecordBatch.from_arrays([numbers], ["a"])
        pathlib.Path("begun").touch()
        time.sleep(0.01)
    if pathlib.Path("fail").exists():
        raise ValueError("no more")
"""


@pytest.fixture
def streaming(folder: ProjectFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ProjectFolder:
    """A table that is written until there is a file `go`, or a signal."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    folder.write("transforms.py", CODE.replace("PATIENCE", str(PATIENCE)))
    folder.write("data/s.csv", "a\n1\n")
    folder.write("lakehouse.yaml", YAML.replace("storages:", "storages:\n  default: {root: data}"))
    return folder


def into(folder: ProjectFolder, storage: str) -> None:
    folder.edit("lakehouse.yaml", "STORAGE", storage)


def is_being_written(folder: ProjectFolder) -> bool:
    """Whether a part of the table is in a file aside."""
    return any(path.stat().st_size for path in folder.path.glob("made/**/.t.*tmp")) or any(
        path.stat().st_size for path in folder.path.glob("made/lakes/deep/t/.part-*tmp")
    )


def left(folder: ProjectFolder, tmp_path: Path) -> list[str]:
    """Every file below the storage, and what is in the temporary folder."""
    found = [path for path in folder.path.glob("made/**/*") if path.is_file()]
    found += list((tmp_path / "temporary").iterdir())
    return sorted(path.name for path in found)


@pytest.mark.parametrize("storage", ["csv", "parquet", "delta"])
@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("how", ["twice", "term"])
def test_ended_run_leaves_nothing(
    streaming: ProjectFolder, tmp_path: Path, cli: Cli, storage: str, executor: str, how: str
) -> None:
    into(streaming, storage)
    with running(streaming.path, "run", "--executor", executor, "-o", "json") as run:
        until(lambda: is_being_written(streaming), "a file aside")
        if how == "term":
            run.process.terminate()
        else:
            run.interrupt()
            until(lambda: is_heeded(streaming), "the first Ctrl-C")
            run.interrupt()
        assert run.ends() == 130, run
    assert "Traceback" not in run.err
    [t] = json.loads(run.out)["tables"]
    assert (json.loads(run.out)["status"], t["status"]) == ("cancelled", "cancelled")
    assert left(streaming, tmp_path) == []
    assert [run["status"] for run in cli("runs", "-o", "json").json["runs"]] == ["cancelled"]


def is_heeded(folder: ProjectFolder) -> bool:
    """Whether Ctrl-C has come; where the only thread is in the transform, that reports it."""
    events = "".join(path.read_text() for path in folder.path.glob(".lakehouse/runs/*.jsonl"))
    return "run_stopping" in events or (folder.path / "heeded").exists()


@pytest.mark.parametrize("storage", ["csv", "delta"])
@pytest.mark.parametrize("executor", EXECUTORS)
def test_next_run_removes_what_a_killed_one_left(
    streaming: ProjectFolder, tmp_path: Path, storage: str, executor: str
) -> None:
    into(streaming, storage)
    with running(streaming.path, "run", "--executor", executor) as run:
        until(lambda: is_being_written(streaming), "a file aside")
        kill_group(run.process)
    assert any(name.endswith(".lakehouse-tmp") for name in left(streaming, tmp_path))
    streaming.write("go", "")
    done = preloaded.run([*COMMAND, "run"], cwd=streaming.path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = left(streaming, tmp_path)
    assert not [name for name in names if "tmp" in name or "#" in name or "spill" in name]
    assert len(names) == 2  # the data; the manifest, or the log that has it


def test_failed_first_write_leaves_no_folder(streaming: ProjectFolder, cli: Cli) -> None:
    into(streaming, "delta")
    streaming.write("go", "")
    streaming.write("fail", "")
    streaming.edit("transforms.py", 'while not pathlib.Path("go").exists()', 'while not pathlib.Path("begun").exists()')
    [t] = cli("run", "-o", "json").json["tables"]
    assert t["error"]["message"] == "`t` raised ValueError: no more"
    assert not (streaming.path / "made").exists()


def test_termination_does_not_undo_what_is_stored(streaming: ProjectFolder) -> None:
    """The table of before stays, whatever it is in."""
    into(streaming, "delta")
    streaming.write("go", "")
    streaming.edit("transforms.py", 'while not pathlib.Path("go").exists()', 'while not pathlib.Path("begun").exists()')
    assert preloaded.run([*COMMAND, "run", "-q"], cwd=streaming.path).returncode == 0
    files = sorted(path.name for path in streaming.path.glob("made/**/*"))
    for each in ("go", "begun"):
        (streaming.path / each).unlink()
    streaming.edit("transforms.py", 'Path("begun").exists()', 'Path("go").exists()')
    with running(streaming.path, "run", "--force") as run:
        until(lambda: is_being_written(streaming), "a file aside")
        run.process.send_signal(signal.SIGTERM)
        assert run.ends() == 130
    assert sorted(path.name for path in streaming.path.glob("made/**/*")) == files


STREAMS = {
    "Iterator[pa.RecordBatch]": "for batch in s:\n        yield batch\n        die(True)",
    "pl.LazyFrame": "return s.map_batches(lambda frame: (die(True), frame)[1], streamable=True)",
    "ibis.Table": "return s.mutate(b=late(s.a))",
}
LIBRARIES = {
    "pl.LazyFrame": "import polars as pl\n",
    "ibis.Table": (
        "import ibis\n\n@ibis.udf.scalar.python\ndef late(a: int) -> int:\n    die(a == 100_000)\n    return a\n"
    ),
}


@pytest.mark.parametrize("kind", STREAMS)
def test_killed_in_mid_stream_leaves_nothing(
    folder: ProjectFolder, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But what the next run removes."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    folder.write("lakehouse.yaml", "name: x\nmodule: transforms\ntables:\n  s: {kind: source}\n  t: {}\n")
    folder.write("data/s.csv", "a\n" + "".join(f"{number}\n" for number in range(140_000)))
    folder.write(
        "transforms.py",
        "from collections.abc import Iterator\nimport os, pathlib, signal\nimport pyarrow as pa\n"
        f"{LIBRARIES.get(kind, '')}\n"
        "def die(now):\n    if now and pathlib.Path('die').exists():\n        os.kill(os.getpid(), signal.SIGKILL)\n\n"
        f"def t(s: {kind}) -> {kind}:\n    {STREAMS[kind]}\n",
    )
    folder.write("die", "")
    done = preloaded.run([*COMMAND, "run"], capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL
    assert not (folder.path / "data/t.csv").exists()
    (folder.path / "die").unlink()
    assert preloaded.run([*COMMAND, "run"], capture_output=True, timeout=120).returncode == 0
    assert sorted(path.name for path in folder.path.glob("data/*")) == [".lakehouse", "s.csv", "t.csv"]
    assert list(temporary.iterdir()) == []
