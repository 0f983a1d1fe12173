"""Folders for what spills: each connection's own, gone at its end, and no other's."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from lakehouse_cli.runs.spilling import spill_folder
from lakehouse_cli.transforms.queries.connection import private_connection


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_query_spills_and_leaves_nothing(temporary: Path) -> None:
    with private_connection(memory_limit="60MB", threads=1) as connection:
        result = connection.execute("SELECT range AS n, hash(range) AS h FROM range(4000000) ORDER BY h")
        result.fetchone()
        assert [file.name for file in temporary.glob("*/*")] != []
    assert list(temporary.iterdir()) == []


def test_folders_of_living_connections_stay(temporary: Path) -> None:
    with spill_folder() as one:
        os.utime(one, (0, 0))
        with spill_folder() as other:
            assert {str(each) for each in temporary.iterdir()} == {one, other}
        assert [str(each) for each in temporary.iterdir()] == [one]


def test_what_was_left_is_removed(temporary: Path) -> None:
    left, new, foreign = (temporary / name for name in ("lakehouse-spill-a", "lakehouse-spill-b", "others"))
    for folder in (left, new, foreign):
        folder.mkdir()
        (folder / "spilled.tmp").write_bytes(b"x")
    link = temporary / "lakehouse-spill-link"
    link.symlink_to(foreign)
    for folder in (left, foreign):
        os.utime(folder, (0, 0))
    os.utime(link, (0, 0), follow_symlinks=False)
    with spill_folder():
        pass
    assert sorted(each.name for each in temporary.iterdir()) == ["lakehouse-spill-b", "lakehouse-spill-link", "others"]
    assert (foreign / "spilled.tmp").exists()
