"""Files in every format that is written: the conformance suite, and what becomes of the file of a former format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats import FORMATS, file_suffixes
from lakehouse_cli.model import StorageSpec, Table, parse_column_type
from lakehouse_cli.storage.base import AssetStorage, Scan
from lakehouse_cli.storage.local.storage import FileStorage
from lakehouse_cli.testing.every_type import VALUES
from lakehouse_cli.testing.storage import ORIGIN, StorageConformance, data_of, table


class FormatFiles(StorageConformance):
    """Tables of one format in a local folder."""

    format: str
    options: ClassVar[dict[str, Any]] = {}

    @pytest.fixture
    def storage(self, tmp_path: Path) -> FileStorage:
        return OneFormat(StorageSpec("default", str(tmp_path / "data"), "data"), self.format, self.options)

    def path(self, storage: AssetStorage, declared: Table) -> Path:
        assert isinstance(storage, FileStorage)
        return Path(storage.spec.root, declared.path + file_suffixes(FORMATS[self.format], self.options)[0])

    def put(self, storage: AssetStorage, declared: Table, data: pa.Table) -> None:
        path = self.path(storage, declared)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.store(path, data)

    def store(self, path: Path, data: pa.Table) -> None:
        raise NotImplementedError

    def get(self, storage: AssetStorage, declared: Table) -> bytes | None:
        path = self.path(storage, declared)
        return path.read_bytes() if path.exists() else None


class OneFormat(FileStorage):
    """A folder whose tables are of its format, as those are that a project file declares."""

    def __init__(self, spec: StorageSpec, format_name: str, options: dict[str, Any]) -> None:
        super().__init__(replace(spec, format=format_name, options=options))

    def _suffixes(self, declared: Table) -> tuple[str, ...]:
        return super()._suffixes(self.of_format(declared))

    def of_format(self, declared: Table) -> Table:
        return replace(declared, format=self.spec.format, options=self.spec.options)

    def scan(self, declared: Table, columns: Any) -> Scan:
        return super().scan(self.of_format(declared), columns)

    def publish(self, declared: Table, data: pa.Table, origin: Any) -> Any:
        return super().publish(self.of_format(declared), data, origin)

    def publish_pieces(self, declared: Table, pieces: Any, origin: Any) -> Any:
        return super().publish_pieces(self.of_format(declared), pieces, origin)

    def count_rows(self, declared: Table) -> int | None:
        return super().count_rows(self.of_format(declared))


class TestParquetFiles(FormatFiles):
    format = "parquet"

    def store(self, path: Path, data: pa.Table) -> None:
        pq.write_table(data, path, compression="snappy")


@pytest.mark.slow
class TestParquetFilesOfSmallRowGroups(TestParquetFiles):
    options: ClassVar[dict[str, Any]] = {"row_group_rows": 1000, "compression": "none"}


class TestIpcFiles(FormatFiles):
    format = "ipc"

    def store(self, path: Path, data: pa.Table) -> None:
        with pa.ipc.new_file(path, data.schema) as writer:
            writer.write_table(data)


class TestJsonlFiles(FormatFiles):
    format = "jsonl"

    def store(self, path: Path, data: pa.Table) -> None:
        path.write_text("".join(json.dumps(row) + "\n" for row in data.to_pylist()), "utf-8")


@pytest.mark.slow
class TestCompressedJsonlFiles(FormatFiles):
    format = "jsonl"
    options: ClassVar[dict[str, Any]] = {"compression": "gzip"}

    def store(self, path: Path, data: pa.Table) -> None:
        import gzip

        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in data.to_pylist()).encode()))


@pytest.mark.slow
class TestJsonFiles(FormatFiles):
    format = "json"

    def store(self, path: Path, data: pa.Table) -> None:
        path.write_text(json.dumps(data.to_pylist(), indent=2), "utf-8")


@pytest.mark.slow
class TestCompressedJsonFiles(FormatFiles):
    format = "json"
    options: ClassVar[dict[str, Any]] = {"compression": "zstd"}

    def store(self, path: Path, data: pa.Table) -> None:
        with pa.CompressedOutputStream(str(path), "zstd") as stream:
            stream.write(json.dumps(data.to_pylist()).encode())


class TestExcelFiles(FormatFiles):
    format = "excel"

    def store(self, path: Path, data: pa.Table) -> None:
        book = openpyxl.Workbook()
        for row in (data.column_names, *(each.values() for each in data.to_pylist())):
            book.active.append([*row])
        book.save(path)

    def test_what_is_published_is_read_back(self, storage: AssetStorage) -> None:
        declared = table()
        data = data_of(declared, (1, "a"), (None, ""), (10**15 - 1, None), (4, "NA"))
        assert storage.publish(declared, data, ORIGIN).rows == 4
        assert storage.scan(declared, declared.columns).table().equals(data)

    def test_every_type_is_held_exactly_or_refused_at_load(self, storage: AssetStorage) -> None:
        """Or refused with its values: much that a type has no cell holds."""
        refused = []
        for name in VALUES:
            if self.refusal(storage, parse_column_type(name)) is None:
                try:
                    self.check_types(storage, table("typed"), [name])
                except StorageError as error:
                    refused.append((name, error.message.partition("Excel cannot hold ")[2]))
        digits, fine = "an integer of more than 15 digits", "a time finer than milliseconds"
        assert refused == [
            ("int64", digits),
            ("uint64", digits),
            ("float64", "a number so close to zero"),
            ("date32", "a date before 1900 or after 9999"),
            ("timestamp[us]", fine),
            ("timestamp[ns]", fine),
            ("time64[us]", fine),
            ("time64[ns]", fine),
            ("duration[s]", "a negative duration"),
            ("duration[us]", "a negative duration"),
            ("decimal128(38, 10)", "a number of more than 15 digits"),
        ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def storage(root: Path) -> FileStorage:
    return FileStorage(StorageSpec("default", str(root), "data"))


def files(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.is_file())


DATA = data_of(table(), (1, "a"), (2, None))
FORMS: list[dict[str, Any]] = [
    {"format": "csv"},
    {"format": "csv", "options": {"compression": "gzip"}},
    {"format": "parquet"},
    {"format": "ipc"},
    {"format": "jsonl"},
    {"format": "jsonl", "options": {"compression": "zstd"}},
    {"format": "json"},
    {"format": "excel"},
]


@pytest.mark.parametrize("before", FORMS, ids=str)
@pytest.mark.parametrize("after", FORMS, ids=str)
def test_a_table_has_one_file_whatever_its_format_was(
    storage: FileStorage, root: Path, before: Any, after: Any
) -> None:
    storage.publish(replace(table(), **before), DATA, ORIGIN)
    storage.publish(replace(table(), **after), DATA, ORIGIN)
    assert len(files(root)) == 1
    assert storage.scan(replace(table(), **after), table().columns).table().equals(DATA)


def test_altered_file_of_the_former_format_stays(storage: FileStorage, root: Path) -> None:
    storage.publish(table(), DATA, ORIGIN)
    (root / "table.csv").write_text("id,text\n1,mine\n")
    storage.publish(replace(table(), format="parquet"), DATA, ORIGIN)
    assert files(root) == ["table.csv", "table.parquet"]


def test_a_file_beside_a_table_that_was_never_stored_stays(storage: FileStorage, root: Path) -> None:
    root.mkdir()
    (root / "table.csv").write_text("id,text\n1,mine\n")
    storage.publish(replace(table(), format="parquet"), DATA, ORIGIN)
    assert files(root) == ["table.csv", "table.parquet"]


def test_a_link_in_place_of_the_former_file_stays(storage: FileStorage, root: Path) -> None:
    storage.publish(table(), DATA, ORIGIN)
    (root / "table.csv").rename(root / "elsewhere.csv")
    (root / "table.csv").symlink_to(root / "elsewhere.csv")
    storage.publish(replace(table(), format="parquet"), DATA, ORIGIN)
    assert files(root) == ["elsewhere.csv", "table.csv", "table.parquet"]


def test_failed_write_leaves_the_former_file(storage: FileStorage, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.publish(table(), DATA, ORIGIN)

    def write(self: Any, data: pa.Table, sink: Any, options: Any) -> None:
        sink.write(b"PAR1")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lakehouse_cli.formats.parquet.format.ParquetFormat.write", write)
    with pytest.raises(Exception, match="no space left"):
        storage.publish(replace(table(), format="parquet"), DATA, ORIGIN)
    assert files(root) == ["table.csv"]
    assert storage.read_manifest(table()) is not None
