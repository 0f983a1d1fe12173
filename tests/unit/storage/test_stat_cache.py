"""Values kept for as long as the stamps of files are the same."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse_cli.storage.local import stat_cache
from lakehouse_cli.storage.local.hashes import FileHashes
from lakehouse_cli.storage.local.stat_cache import RACY_MTIME_NS, Stamp, StatCache

STAMP = Stamp(1, 2, 3, 4, 5)
FILE = ".lakehouse/cache/stat.jsonl"


def test_value_is_kept_between_processes(tmp_path: Path) -> None:
    StatCache(tmp_path).put("a", (STAMP, None), [["x", 1]])
    assert StatCache(tmp_path).get("a", (STAMP, None)) == [["x", 1]]
    assert (tmp_path / ".lakehouse/cache/.gitignore").read_text() == "*\n"


@pytest.mark.parametrize("field", Stamp._fields)
def test_value_of_another_stamp_is_not_given(tmp_path: Path, field: str) -> None:
    cache = StatCache(tmp_path)
    cache.put("a", (STAMP,), "x")
    other = STAMP._replace(**{field: 9})
    assert cache.get("a", (other,)) is None
    assert StatCache(tmp_path).get("a", (other,)) is None
    assert cache.get("b", (STAMP,)) is None


@pytest.mark.parametrize(
    ("modified", "changed", "racy"), [(0, 0, False), (-1, 0, False), (0, 1, True), (1, 0, True), (1, 1, True)]
)
def test_only_old_mtimes_prove_a_file_unchanged(
    modified: int, changed: int, racy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both: a program may set the one back, and an edit leaves the other."""
    past, now = 10 * RACY_MTIME_NS, 11 * RACY_MTIME_NS
    monkeypatch.setattr("time.time_ns", lambda: now)
    stamp = STAMP._replace(modified_ns=past + modified, changed_ns=past + changed)
    assert stamp.is_racy is racy


@pytest.mark.parametrize(("modified_ns", "kept"), [(8, "hash"), (9, None)])
def test_hash_of_a_file_put_in_place_within_one_tick(tmp_path: Path, modified_ns: int, kept: str | None) -> None:
    """A later write in that tick would leave the same stamp."""
    hashes, status = FileHashes(tmp_path), os.stat_result(range(10), {"st_mtime_ns": modified_ns, "st_ctime_ns": 9})
    hashes.keep("file", status, "hash", flush=True)
    assert hashes.known("file", Stamp.of(status)) == kept


def test_lines_of_other_processes_are_read(tmp_path: Path) -> None:
    one, two = StatCache(tmp_path), StatCache(tmp_path)
    one.put("a", (STAMP,), "x")
    assert two.get("a", (STAMP,)) == "x"
    two.put("b", (STAMP,), "y")
    assert one.get("b", (STAMP,)) == "y"
    assert one.get("a", (STAMP,)) == "x"


def test_outdated_lines_are_dropped(tmp_path: Path) -> None:
    for number in range(200):
        cache = StatCache(tmp_path)
        cache.put("many", (STAMP._replace(size=number),), ["x" * 1000])
        assert cache.get("other", (STAMP,)) is None
    assert (tmp_path / FILE).stat().st_size < 100_000
    assert StatCache(tmp_path).get("many", (STAMP._replace(size=199),)) == ["x" * 1000]


def test_line_that_was_cut_off_is_ignored(tmp_path: Path) -> None:
    StatCache(tmp_path).put("a", (STAMP,), "x")
    with (tmp_path / FILE).open("ab") as file:
        file.write(b'["b", [[1, 2')
    StatCache(tmp_path).put("c", (STAMP,), "z")
    StatCache(tmp_path).put("d", (STAMP,), "z")
    cache = StatCache(tmp_path)
    assert [cache.get(name, (STAMP,)) for name in "abcd"] == ["x", None, None, "z"]


def test_file_name_that_is_no_text(tmp_path: Path) -> None:
    cache = StatCache(tmp_path)
    cache.put("a\udcff", (STAMP,), "x")
    assert cache.get("a\udcff", (STAMP,)) == "x"


def test_fifo_in_place_of_the_file(tmp_path: Path) -> None:
    """Nobody waits for somebody to write into it, or to read from it."""
    (tmp_path / ".lakehouse/cache").mkdir(parents=True)
    os.mkfifo(tmp_path / FILE)
    code = (
        "import pathlib; from lakehouse_cli.storage.local.stat_cache import *; c = StatCache(pathlib.Path('.'));"
        "s = Stamp(1, 2, 3, 4, 5); c.get('a', (s,)); c.put('a', (s,), 'x'); print(c.get('a', (s,)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout == "x\n"


def test_values_put_together_are_written_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    appended: list[bytes] = []
    append = StatCache._append

    def counted(self: StatCache, lines: bytes) -> None:
        append(self, lines)
        appended.append(lines)

    monkeypatch.setattr(StatCache, "_append", counted)
    monkeypatch.setattr(stat_cache, "TOGETHER_SECONDS", float("inf"))
    cache = StatCache(tmp_path)
    cache.put("before", (STAMP,), "x")
    with cache.together():
        for number in range(1000):
            cache.put(f"{number}", (STAMP,), number)
        monkeypatch.setattr(stat_cache, "TOGETHER_SECONDS", -1)
        cache.put("late", (STAMP,), "x")
        assert StatCache(tmp_path).get("999", (STAMP,)) == 999
        monkeypatch.undo()
        cache.put("last", (STAMP,), "x")
    cache.put("behind", (STAMP,), "x")
    assert len(appended) == 2
    assert [StatCache(tmp_path).get(name, (STAMP,)) for name in ("0", "last", "behind")] == [0, "x", "x"]
