"""What every `AssetStorage` must do. Subclass `StorageConformance`, give it a storage and a way behind its back.

class TestMine(StorageConformance):
    @pytest.fixture
    def storage(self, tmp_path): ...
    def put(self, storage, table, data): ...
    def get(self, storage, table): ...
"""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any

import pyarrow as pa
import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import LakehouseError, MissingDataError, StorageError
from lakehouse_cli.formats import FORMATS
from lakehouse_cli.model import ColumnType, Contract, Table, parse_column_type
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.registry import Entry, load
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.capabilities import RehearsesWriting, check_replaceable, count_rows, rehearsed
from lakehouse_cli.storage.format_storage import FormatStorage
from lakehouse_cli.storage.undeclared_types import refusals
from lakehouse_cli.testing.every_type import NOT_A_NUMBER, VALUES
from lakehouse_cli.testing.storage_partitions import PartitionsConformance
from lakehouse_cli.testing.storage_pieces import PiecesConformance
from lakehouse_cli.testing.stored_tables import ORIGIN, column, csv_of, data_of, planned, storage_of, table

__all__ = ["ORIGIN", "StorageConformance", "column", "csv_of", "data_of", "planned", "storage_of", "table"]


class StorageConformance(PiecesConformance, PartitionsConformance):
    """The suite; each test is what a user of a storage relies on."""

    @abstractmethod
    def put(self, storage: AssetStorage, declared: Table, data: pa.Table) -> None:
        """Store data behind the storage's back, as another program would."""

    @abstractmethod
    def get(self, storage: AssetStorage, declared: Table) -> bytes | None:
        """Return the stored bytes behind the storage's back; None where nothing is stored."""

    def test_what_is_published_is_read_back(self, storage: AssetStorage) -> None:
        """Types and values, with nulls and empty texts apart."""
        declared = table()
        data = data_of(declared, (1, "a"), (None, ""), (2**63 - 1, None), (4, "NA"))
        manifest = storage.publish(declared, data, ORIGIN)
        assert storage.scan(declared, declared.columns).table().equals(data)
        assert manifest.rows == 4
        assert manifest.columns == (("id", "int64"), ("text", "string"))

    def test_publishing_relies_on_no_look(self, storage: AssetStorage) -> None:
        """What a plan saw comes with `Provenance.expected` or not at all; the storage itself remembers none."""
        declared = table()
        planned(storage, declared)
        self.put(storage, declared, data_of(declared, (1, "a")))
        data = data_of(declared, (2, "b"))
        storage.publish(declared, data, replace(ORIGIN, forced=True))
        assert storage.scan(declared, declared.columns).table().equals(data)

    def refusal(self, storage: AssetStorage, column_type: ColumnType) -> str | None:
        """Return why a project with such a column is refused when it is loaded; None where it is not.

        The storage's own reasons, then those of the format where its tables are files of one.
        """
        declared = replace(table(), format=storage.spec.format if isinstance(storage, FormatStorage) else "")
        return next((why for _, refusal in refusals(storage, declared) if (why := refusal(column_type))), None)

    def test_every_type_is_held_exactly_or_refused_at_load(self, storage: AssetStorage) -> None:
        """Values at the edges of each type, nulls among them, side by side in one table."""
        refused = {name: self.refusal(storage, parse_column_type(name)) for name in VALUES}
        assert all(why is None or why.strip() for why in refused.values())
        self.check_types(storage, table("typed"), [name for name, why in refused.items() if why is None])

    def check_types(self, storage: AssetStorage, declared: Table, types: Sequence[str]) -> None:
        """Assert that a table of a column for each type comes back as it was stored."""
        columns = (column("id", "int64"), *(column(f"value_{at}", name) for at, name in enumerate(types)))
        declared = replace(declared, contract=Contract(columns))
        rows = zip_longest(*(VALUES[name] for name in types))
        data = data_of(declared, *((number, *values) for number, values in enumerate(rows)))
        storage.publish(declared, data, ORIGIN)
        read = storage.scan(declared, declared.columns).table()
        assert read.schema == data.schema
        others = [name for at, name in enumerate(types) if not read[f"value_{at}"].equals(data[f"value_{at}"])]
        assert others == []
        assert read.equals(data)

    def test_nan_is_no_null(self, storage: AssetStorage) -> None:
        """A float that is not a number comes back as one, whether its column is declared or not, or is refused."""
        for number, (type_name, values) in enumerate(NOT_A_NUMBER.items()):
            declared = table(f"typed{number}", column("id", "int64"), column("value", type_name))
            assert declared.columns is not None
            if self.refusal(storage, declared.columns[1].type) is not None:
                continue
            refused = ""
            try:
                storage.publish(declared, data_of(declared, *enumerate(values)), ORIGIN)
            except StorageError as refusal:
                refused = refusal.message
            assert not refused or "NaN" in refused
            for columns in () if refused else (declared.columns, None):
                read = storage.scan(replace(declared, contract=Contract(columns)), columns).table()
                assert repr(read["value"].to_pylist()) == repr(values)

    def test_declared_columns_are_read_in_their_order_and_no_others(self, storage: AssetStorage) -> None:
        """Even where more is stored."""
        declared = table()
        storage.publish(declared, data_of(declared, (1, "a")), ORIGIN)
        assert declared.columns is not None
        read = storage.scan(declared, [declared.columns[1]]).table()
        assert read.column_names == ["text"]

    def test_zero_rows(self, storage: AssetStorage) -> None:
        """An empty table is a table."""
        declared = table()
        storage.publish(declared, data_of(declared), ORIGIN)
        assert storage.scan(declared, declared.columns).table().equals(data_of(declared))

    def test_wide(self, storage: AssetStorage) -> None:
        """Hundreds of columns."""
        declared = table("wide", *(column(f"c{i}", "int64") for i in range(500)))
        data = data_of(declared, tuple(range(500)))
        storage.publish(declared, data, ORIGIN)
        assert storage.scan(declared, declared.columns).table().equals(data)

    def test_larger_than_one_buffer(self, storage: AssetStorage) -> None:
        """Several megabytes."""
        declared = table()
        ids = list(range(7_000))
        data = pa.table({"id": pa.array(ids), "text": pa.array([f"{i:0900}" for i in ids])})
        storage.publish(declared, data, ORIGIN)
        assert storage.scan(declared, declared.columns).table().equals(data)

    def test_nothing_is_stored_at_first(self, storage: AssetStorage) -> None:
        """And the error says so."""
        declared = table()
        assert storage.stat(declared) is None
        assert storage.read_manifest(declared) is None
        assert list(storage.list()) == []
        with pytest.raises(MissingDataError) as caught:
            storage.scan(declared, declared.columns).table()
        assert "`table` was never materialized" in caught.value.message
        assert "lakehouse run +table" in (caught.value.hint or "")

    def test_rehearsing_stores_nothing(self, storage: AssetStorage) -> None:
        """And refuses what storing refuses, in the same words; what passes comes out as it went in."""

        def refusal(store: Callable[[], object]) -> str | None:
            try:
                store()
            except LakehouseError as error:
                return str(error)
            return None

        data: list[dict[str, list[Any]]] = [{}, {"x": [1], "X": [1]}, {"x": ["a", None]}]
        for number, piece in enumerate(map(pa.table, data)):
            declared, pieces = replace(table(f"table{number}"), contract=Contract(None)), [piece, piece]
            refused = refusal(partial(rehearsed, storage, declared, iter(pieces)))
            assert refused is not None or list(rehearsed(storage, declared, iter(pieces))) == pieces
            assert storage.stat(declared) is None
            assert storage.read_manifest(declared) is None
            if storage.capability(RehearsesWriting) is not None:
                assert refusal(partial(storage.publish, declared, piece, ORIGIN)) == refused

    def test_rehearsing_knows_the_hash_that_is_stored(self, storage: AssetStorage) -> None:
        """Whether what is computed from a table runs is decided by it, where all of a run is published together."""
        found = storage.capability(RehearsesWriting)
        if found is None:
            return
        declared = table()
        one, two = (data_of(declared, (number, "a"), (number + 1, None)) for number in (1, 2))
        known = found.rehearse(declared, iter([one, two]))
        stored = storage.publish(declared, pa.concat_tables([one, two]), ORIGIN)
        assert known in (None, stored.content_hash)
        assert known is None or found.rehearse(declared, iter([one])) != known

    def test_what_others_stored_is_read(self, storage: AssetStorage) -> None:
        """A source has no manifest."""
        declared = table(kind="source")
        data = data_of(declared, (1, "a"))
        self.put(storage, declared, data)
        assert storage.scan(declared, declared.columns).table().equals(data)
        assert storage.stat(declared) is not None
        assert storage.read_manifest(declared) is None

    def test_what_others_stored_is_replaced_only_where_it_is_forced(self, storage: AssetStorage) -> None:
        """Also where a computed table is declared in its place."""
        declared = table()
        check_replaceable(storage, declared, forced=False)
        self.put(storage, declared, data_of(declared, (1, "a")))
        with pytest.raises(StorageError) as caught:
            check_replaceable(storage, declared, forced=False)
        assert "lakehouse run" in (caught.value.hint or "")
        assert "--force" in (caught.value.hint or "")
        check_replaceable(storage, declared, forced=True)
        storage.publish(declared, data_of(declared, (2, "b")), replace(ORIGIN, forced=True))
        check_replaceable(storage, declared, forced=False)

    def test_manifests(self, storage: AssetStorage) -> None:
        """Kept as published, listed, replaced with their data."""
        first, second = table("first"), table("second", path="folder/second")
        one = storage.publish(first, data_of(first, (1, "a")), ORIGIN)
        two = storage.publish(second, data_of(second, (2, "b")), ORIGIN)
        assert storage.read_manifest(first) == one
        assert {m.table: m for m in storage.list()} == {"first": one, "second": two}
        again = storage.publish(first, data_of(first, (1, "a"), (3, "c")), ORIGIN)
        assert storage.read_manifest(first) == again
        assert again.content_hash != one.content_hash
        stored = storage.stat(first)
        assert stored is not None
        assert again.bytes == stored.bytes

    def test_the_same_data_have_the_same_hash(self, storage: AssetStorage) -> None:
        """In whatever chunks they come."""
        declared = table()
        data = data_of(declared, (1, "a"), (2, "b"))
        chunked = pa.concat_tables([data.slice(0, 1), data.slice(1)])
        hashes = {storage.publish(declared, d, ORIGIN).content_hash for d in (data, chunked)}
        assert len(hashes) == 1

    def test_content_is_known_by_its_hash(self, storage: AssetStorage) -> None:
        """A version is a shortcut where it is known; the hash decides."""
        declared = table()
        assert storage.content(declared, ()) is None
        manifest = storage.publish(declared, data_of(declared, (1, "a")), ORIGIN)
        content = storage.content(declared, ())
        assert content is not None
        assert (content.content_hash, content.rows, content.bytes) == (manifest.content_hash, -1, manifest.bytes)
        known = content._replace(rows=7)
        assert storage.content(declared, (known,)) == known
        older = InputRecord(content.content_hash, 1, content.bytes, 0)
        again = storage.content(declared, (older,))
        assert again is not None
        assert (again.content_hash, again.rows) == (content.content_hash, 1)

    def test_data_are_read_with_their_content(self, storage: AssetStorage) -> None:
        """The record is that of what was read, whatever was known before."""
        declared, source = table(), table("source", kind="source")
        with pytest.raises(MissingDataError):
            storage.scan(declared, declared.columns).table_with_content(())
        older = data_of(declared, (1, "a"))
        before = storage.publish(declared, older, ORIGIN).content
        newer = data_of(declared, (2, "b"))
        manifest = storage.publish(declared, newer, ORIGIN)
        data, content = storage.scan(declared, declared.columns).table_with_content((before,))
        assert data.equals(newer)
        assert content.content_hash == manifest.content_hash
        self.put(storage, source, older)
        data, content = storage.scan(source, source.columns).table_with_content(())
        assert data.equals(older)
        found = storage.content(source, ())
        assert found is not None
        assert content.content_hash == found.content_hash

    def test_rows_are_counted_or_not_known(self, storage: AssetStorage) -> None:
        """Whether a run stored them or another program; what is asked for a plan is never a wrong number."""
        declared = table()
        storage.publish(declared, data_of(declared, (1, "a"), (2, "b\nc, d"), (3, '"')), ORIGIN)
        assert count_rows(storage, declared) in (3, None)
        source = table("source", kind="source")
        self.put(storage, source, data_of(source, (1, "a"), (2, "b")))
        assert count_rows(storage, source) in (2, None)

    def test_deletion(self, storage: AssetStorage) -> None:
        """Data and manifest; again is no error."""
        declared = table()
        storage.publish(declared, data_of(declared, (1, "a")), ORIGIN)
        storage.delete(declared)
        storage.delete(declared)
        assert storage.stat(declared) is None
        assert storage.read_manifest(declared) is None
        assert self.get(storage, declared) is None

    def test_paths(self, storage: AssetStorage) -> None:
        """Folders, dots, spaces, letters of any script."""
        paths = ["with space", "dots.in.it", "fünf/表", "deep/er/still"]
        stored = [(table(f"t{at}", path=path), data_of(table(), (at, path))) for at, path in enumerate(paths)]
        for declared, data in stored:
            storage.publish(declared, data, ORIGIN)
        for declared, data in stored:
            assert storage.scan(declared, declared.columns).table().equals(data)
            assert declared.path in storage.uri(declared)

    def test_a_writer_that_dies_half_way_leaves_the_old_table(
        self, storage: AssetStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever it dies of."""
        declared = table()
        storage.publish(declared, data_of(declared, (1, "old")), ORIGIN)
        before = self.get(storage, declared)
        manifest = storage.read_manifest(declared)
        self.break_writing(storage, monkeypatch)
        with pytest.raises((OSError, StorageError, KeyboardInterrupt)):
            storage.publish(declared, data_of(declared, (2, "new")), ORIGIN)
        monkeypatch.undo()
        assert self.get(storage, declared) == before
        assert storage.read_manifest(declared) == manifest

    def break_writing(self, storage: AssetStorage, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the next write fail after part of the data has been written; to override where tables are no files."""

        def write(_self: Any, _data: Any, sink: Any, _options: Any) -> None:
            sink.write(bytes(20 << 20))  # more than is kept in memory
            raise KeyboardInterrupt

        monkeypatch.setattr(load(Entry(FORMATS[vars(storage)["spec"].format].implementation)), "write", write)

    def test_readers_see_the_old_table_or_the_new_one(self, storage: AssetStorage) -> None:
        """Never a mixture, never nothing, while it is replaced again and again."""
        declared = table()
        versions = [data_of(declared, *((i, str(version)) for i in range(2000))) for version in range(2)]
        storage.publish(declared, versions[0], ORIGIN)
        stop = threading.Event()
        strange: list[object] = []

        def read() -> None:
            while not stop.is_set():
                try:
                    seen = storage.scan(declared, declared.columns).table()
                except Exception as error:  # noqa: BLE001  # shown by the assertion below
                    strange.append(error)
                    return
                if not any(seen.equals(version) for version in versions):
                    strange.append(seen)

        reader = threading.Thread(target=read)
        reader.start()
        for turn in range(30):
            storage.publish(declared, versions[turn % 2], ORIGIN)
        stop.set()
        reader.join()
        assert strange == []

    def test_two_writers_at_once_leave_one_whole_table(self, storage: AssetStorage) -> None:
        """Either one's; a storage that notices refuses the other, by name."""
        declared = table()
        versions = [data_of(declared, *((i, str(version)) for i in range(5000))) for version in range(2)]
        published: list[str] = []
        strange: list[object] = []

        def write(data: pa.Table) -> None:
            for _ in range(10):
                try:
                    published.append(storage.publish(declared, data, ORIGIN).content_hash)
                except StorageError as error:
                    if "another run" not in error.message:
                        strange.append(error)
                except Exception as error:  # noqa: BLE001  # shown by the assertion below
                    strange.append(error)

        writers = [threading.Thread(target=write, args=(data,)) for data in versions]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        assert strange == []
        assert published
        assert any(storage.scan(declared, declared.columns).table().equals(version) for version in versions)

    def test_undeclared_columns_come_back_as_they_were_stored(self, storage: AssetStorage) -> None:
        """Where a computed table declares none, its manifest has the types."""
        declared = replace(table(), contract=Contract())
        data = pa.table({"id": pa.array(["007", "8"]), "n": pa.array([1.0, 2.0])})
        storage.publish(declared, data, ORIGIN)
        assert storage.scan(declared, None).table().equals(data)
