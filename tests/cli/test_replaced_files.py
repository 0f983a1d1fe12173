"""A file that is replaced by one of the same size and modification time is another file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse_cli.storage.local import hashes as file_hashes
from lakehouse_cli.storage.local import stat_cache
from tests import preloaded
from tests.conftest import Cli, ProjectFolder

CACHE = ".lakehouse/cache/stat.jsonl"


def move(file: Path, data: bytes) -> None:
    """As `rsync -t` and `mv` do."""
    other = file.with_name("other")
    other.write_bytes(data)
    shutil.copystat(file, other)
    other.replace(file)


def rewrite(file: Path, data: bytes) -> None:
    """As `cp -p` does, and `rsync --inplace -t`."""
    before = file.stat()
    with file.open("r+b") as opened:
        opened.write(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def unpack(file: Path, data: bytes) -> None:
    """As `tar -x` does."""
    before = file.stat()
    file.unlink()
    file.write_bytes(data)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def parquet(amount: int) -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table({"customer": ["a"], "amount": pa.array([amount], pa.int64())})
    pq.write_table(table, sink, compression="none", use_dictionary=False, write_statistics=False)
    return sink.getvalue().to_pybytes()


FORMATS = {
    "csv": lambda amount: f"customer,amount\na,{amount}\n".encode(),
    "jsonl": lambda amount: f'{{"customer": "a", "amount": {amount}}}\n'.encode(),
    "parquet": parquet,
}


@pytest.fixture(params=["recent", "old"])
def _age(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the times of files are so recent that they prove nothing."""
    if request.param == "old":
        monkeypatch.setattr(stat_cache, "RACY_MTIME_NS", 0)


def due(cli: Cli) -> dict[str, list[str]]:
    tables = cli("plan", "-o", "json").json["tables"]
    return {t["name"]: [r["message"] for r in t["reasons"]] for t in tables if t["action"] == "run"}


@pytest.mark.usefixtures("_age")
@pytest.mark.parametrize("replace", [move, rewrite, unpack])
@pytest.mark.parametrize("name", FORMATS)
def test_a_replaced_source_is_read(
    project: ProjectFolder, cli: Cli, name: str, replace: Callable[[Path, bytes], None]
) -> None:
    project.edit("lakehouse.yaml", "kind: source", f"kind: source\n    format: {name}")
    source = project.path / f"data/orders.{name}"
    source.write_bytes(FORMATS[name](5))
    os.utime(source, (1_700_000_000, 1_700_000_000))
    assert cli("run").code == 0
    assert due(cli) == {}
    replace(source, FORMATS[name](7))
    assert due(cli)["totals"] == ["content of `orders` changed (1 row as before)"]
    assert cli("run").code == 0
    assert project.read("data/totals.csv") == "customer,total\na,7\n"
    replace(source, FORMATS[name](5))
    assert "totals" in due(cli)


@pytest.mark.usefixtures("_age")
@pytest.mark.parametrize("replace", [move, rewrite, unpack])
def test_a_replaced_table_is_computed_again(
    project: ProjectFolder, cli: Cli, replace: Callable[[Path, bytes], None]
) -> None:
    assert cli("run").code == 0
    stored = project.path / "data/totals.csv"
    assert stored.read_bytes() == b"customer,total\n007,6\n008,2\n"
    replace(stored, b"customer,total\n007,6\n008,9\n")
    [message] = due(cli)["totals"]
    assert "was modified outside lakehouse" in message
    assert cli("run").code == 0
    assert stored.read_bytes() == b"customer,total\n007,6\n008,2\n"


@pytest.fixture
def _coarse_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system whose clock does not move on during the test; how long it may stand still is known."""
    now = time.time_ns()
    stamp = stat_cache.Stamp.of
    still = staticmethod(lambda status: stamp(status)._replace(modified_ns=now, changed_ns=now))
    monkeypatch.setattr(stat_cache.Stamp, "of", still)
    monkeypatch.setattr(stat_cache, "RACY_MTIME_NS", 3_600_000_000_000)


@pytest.mark.usefixtures("_coarse_clock")
def test_change_in_the_tick_of_the_last_one_is_seen(project: ProjectFolder, cli: Cli) -> None:
    """Neither size nor times show it."""
    assert cli("run").code == 0
    assert due(cli) == {}
    rewrite(project.path / "data/orders.csv", b"customer,amount\n007,5\n008,2\n007,3\n")
    assert due(cli)["totals"] == ["content of `orders` changed (3 rows as before)"]
    assert cli("run").code == 0
    assert project.read("data/totals.csv") == "customer,total\n007,8\n008,2\n"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are hashed."""
    names: list[str] = []
    original = file_hashes.hash_of

    def hash_of(file: object) -> str:
        names.append(Path(file.name).name)  # type: ignore[attr-defined]
        return original(file)  # type: ignore[arg-type]

    monkeypatch.setattr(file_hashes, "hash_of", hash_of)
    return names


def test_files_are_hashed_once(
    project: ProjectFolder, cli: Cli, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stat_cache, "RACY_MTIME_NS", 0)
    assert cli("run").code == 0
    due(cli)
    hashed.clear()
    stat_cache.stat_cache.cache_clear()  # as in another process
    assert due(cli) == {}
    assert cli("run").code == 0
    assert hashed == []


@pytest.mark.parametrize("spoil", ["remove", "empty", "cut off", "nonsense", "folder", "read-only"])
def test_a_lost_cache_means_hashing(
    project: ProjectFolder, cli: Cli, hashed: list[str], monkeypatch: pytest.MonkeyPatch, spoil: str
) -> None:
    monkeypatch.setattr(stat_cache, "RACY_MTIME_NS", 0)
    assert cli("run").code == 0
    due(cli)
    cache = project.path / CACHE
    text = cache.read_bytes()
    match spoil:
        case "remove":
            shutil.rmtree(project.path / ".lakehouse")
        case "empty":
            cache.write_bytes(b"")
        case "cut off":
            cache.write_bytes(text[: len(text) // 2])
        case "nonsense":
            cache.write_bytes(b'[[]]\n{"a": 1}\n["hash", 1, 2]\n\xff\n' + b"[" * 100_000 + b"\n")
        case "folder":
            cache.unlink()
            cache.mkdir()
        case _:
            cache.unlink()
            cache.parent.chmod(0o500)
    stat_cache.stat_cache.cache_clear()
    hashed.clear()
    assert due(cli) == {}
    assert hashed
    project.write("data/orders.csv", "customer,amount\n007,5\n008,2\n007,9\n")
    assert "totals" in due(cli)
    cache.parent.chmod(0o700)


def test_another_process_uses_what_was_kept(project: ProjectFolder, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are appended by whichever process stored a table."""
    monkeypatch.setattr(stat_cache, "RACY_MTIME_NS", 0)
    code = (
        "import lakehouse_cli.storage.local.stat_cache as c; c.RACY_MTIME_NS = 0; "
        "from lakehouse_cli.cli.main import main; main()"
    )
    preloaded.run([sys.executable, "-c", code, "run", "-q"], cwd=project.path, check=True)
    preloaded.run([sys.executable, "-c", code, "plan"], cwd=project.path, check=True, stdout=subprocess.DEVNULL)
    lines = [json.loads(line) for line in (project.path / CACHE).read_text().splitlines()]
    kept = {Path(name.partition(" ")[2]).name for name, _, _ in lines}
    assert kept == {"orders.csv", "totals.csv", "best.csv"}
