"""Folders for what spills: each connection's own, gone at its end, and no other's."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakehouse_cli.errors import TransformError
from lakehouse_cli.runs.temporary_files import spill_folder
from lakehouse_cli.transforms import relation_frame
from lakehouse_cli.transforms.frames import frame_type
from lakehouse_cli.transforms.queries.connection import private_connection
from lakehouse_cli.transforms.queries.results import QueryError, result_of


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_query_spills_and_leaves_nothing(temporary: Path) -> None:
    with private_connection(memory_limit="30MB", threads=1) as connection:
        result = connection.execute("SELECT range AS n, hash(range) AS h FROM range(2000000) ORDER BY h")
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
    names = ("lakehouse-spill-a", "lakehouse-new-spill-b", "lakehouse-new-spill-c", "others")
    left, old, new, foreign = (temporary / name for name in names)
    for folder in (left, old, new, foreign):
        folder.mkdir()
        (folder / "spilled.tmp").write_bytes(b"x")
    link = temporary / "lakehouse-spill-link"
    link.symlink_to(foreign)
    os.utime(old, (0, 0))
    with spill_folder():
        pass
    left_there = ["lakehouse-new-spill-c", "lakehouse-spill-link", "others"]
    assert sorted(each.name for each in temporary.iterdir()) == left_there
    assert (foreign / "spilled.tmp").exists()


def test_folder_below_one_that_others_see(tmp_path: Path) -> None:
    """It is hidden, lets in whom that lets in, and what was left there is removed."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o770)
    left = shared / ".lakehouse-spill-a"
    left.mkdir()
    with spill_folder(str(shared)) as folder:
        assert [str(each) for each in shared.iterdir()] == [folder]
        assert Path(folder).name.startswith(".")
        assert Path(folder).stat().st_mode & 0o777 == 0o770
    assert list(shared.iterdir()) == []


def small(connection: Any) -> None:
    """Have a connection find its temporary folder full early."""
    connection.execute("SET max_temp_directory_size = '1MB'")


@pytest.mark.parametrize("kind", ["duckdb.DuckDBPyRelation", pytest.param("ibis.Table", marks=pytest.mark.slow)])
def test_full_disk_is_said_and_spilled_files_go(temporary: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relation_frame, "share_of", lambda workers: {"memory_limit": "30MB", "threads": 1})
    frames = frame_type(kind)
    client = frames.client
    monkeypatch.setattr(frames, "client", lambda connection: (small(connection), client(connection))[1])
    data = pa.table({"n": range(2_000_000)})
    with frames.scope():
        frame = frames.from_arrow(data)
        ordered = frame.order("hash(n)") if kind.startswith("duckdb") else frame.order_by(frame.n.hash())
        with pytest.raises(TransformError) as caught:
            list(frames.to_pieces(ordered, None))
    kind = "relation" if kind.startswith("duckdb") else "table"
    assert caught.value.message == (
        f"DuckDB cannot compute the {kind}: no space left for what does not fit into memory"
    )
    assert caught.value.hint == f"make room in `{temporary}`, or set TMPDIR to a folder on a larger disk"
    assert list(temporary.iterdir()) == []


def test_full_disk_under_a_query_is_said(temporary: Path) -> None:
    with private_connection(prepare=small, memory_limit="30MB", threads=1) as connection:
        with pytest.raises(QueryError) as caught:
            list(result_of(connection, "SELECT range AS n, hash(range) h FROM range(2000000)", {}, None, order=["h"]))
        assert caught.value.problem.message == "no space left for what does not fit into memory"
    assert list(temporary.iterdir()) == []
