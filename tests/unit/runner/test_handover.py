"""Tables that go between processes as files of Arrow."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.runner.handover import HandedTables, handover_folder, read_handover, write_handover
from lakehouse_cli.testing.every_type import VALUES
from lakehouse_cli.testing.storage import column, data_of, table
from tests.cases import each_case

RECORD = InputRecord("hash", 1, 1)


@each_case("type_name", VALUES)
@each_case("chunks", [0, 1, 3])
def test_every_type_comes_back_exactly(tmp_path: Path, type_name: str, chunks: int) -> None:
    declared = table("typed", column("id", "int64"), column("value", type_name))
    data = pa.concat_tables([data_of(declared, *enumerate(VALUES[type_name]))] * max(chunks, 1))
    data = data if chunks else data.slice(0, 0)
    path = str(tmp_path / "typed.arrow")
    assert write_handover(data, path)
    found = read_handover(path)
    assert found is not None
    assert found.schema.equals(data.schema, check_metadata=True)
    assert found.equals(data)


def test_dictionaries_that_differ_from_chunk_to_chunk(tmp_path: Path) -> None:
    chunks = [pa.array(texts).dictionary_encode() for texts in (["a", "b"], ["c", None, "a"])]
    data = pa.table({"text": pa.chunked_array(chunks)})
    assert write_handover(data, str(tmp_path / "t.arrow"))
    found = read_handover(str(tmp_path / "t.arrow"))
    assert found is not None
    assert found.column("text").to_pylist() == ["a", "b", "c", None, "a"]


def test_what_cannot_be_written_or_read_is_not_handed_over(tmp_path: Path) -> None:
    data = pa.table({"a": [1, 2, 3]})
    assert not write_handover(data, str(tmp_path / "missing" / "t.arrow"))
    assert read_handover(str(tmp_path / "missing.arrow")) is None
    (tmp_path / "cut.arrow").write_bytes(b"ARROW1\0\0cut")
    assert read_handover(str(tmp_path / "cut.arrow")) is None


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_disk_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "t.arrow").symlink_to("/dev/full")
    assert not write_handover(pa.table({"a": range(100_000)}), str(tmp_path / "t.arrow"))
    assert list(tmp_path.iterdir()) == []


def test_file_goes_after_the_last_consumer(tmp_path: Path) -> None:
    left = {"a": 2}
    handed = HandedTables(str(tmp_path), lambda name: left.get(name, 0) > 0)
    path = handed.path_of("a")
    assert path is not None
    assert handed.path_of("b") is None
    Path(path).touch()
    handed.put("a", RECORD)
    assert handed.of(["a", "b"])["a"].content is RECORD
    for expected in (True, False):
        left["a"] -= 1
        handed.drop_unwanted()
        assert Path(path).exists() is expected
    assert handed.of(["a"]) == {}


def test_nothing_is_handed_over_without_a_folder() -> None:
    with handover_folder(is_needed=False) as folder:
        assert HandedTables(folder, lambda name: True).path_of("a") is None
