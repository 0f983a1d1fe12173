"""A storage of one's own on bytes under keys: the conformance suite, and what the base does for it."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable
from typing import Any, BinaryIO

import pyarrow as pa
import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import StorageSpec
from lakehouse_cli.operations.clean import find_strays
from lakehouse_cli.storage import AssetStorage, ChangedError, Head, KeyedStorage
from lakehouse_cli.storage.base import Provenance
from lakehouse_cli.storage.capabilities import check_replaceable
from lakehouse_cli.storage.keyed import base as keyed
from lakehouse_cli.testing.storage import ORIGIN, StorageConformance, csv_of, data_of, planned, table


class DictStorage(KeyedStorage):
    """The least that a storage must say."""

    def __init__(self, spec: StorageSpec) -> None:
        super().__init__(spec)
        self.things: dict[str, tuple[bytes, int]] = {}
        self.turn = threading.Lock()

    def head_key(self, key: str) -> Head | None:
        found = self.things.get(key)
        return None if found is None else Head(len(found[0]), found[1] * 10**9, str(found[1]))

    def get_key(self, key: str) -> bytes | None:
        return self.things[key][0] if key in self.things else None

    def put_key(self, key: str, data: BinaryIO, seen: Head | None) -> Head:
        with self.turn:
            if self.head_key(key) != seen:
                raise ChangedError(f"`{key}` changed")
            self.things[key] = (data.read(), sum(version for _, version in self.things.values()) + 1)
            found = self.head_key(key)
            assert found is not None
            return found

    def delete_key(self, key: str) -> None:
        self.things.pop(key, None)

    def keys(self, prefix: str) -> Iterable[str]:
        return [key for key in self.things if key.startswith(prefix)]


@pytest.fixture
def storage() -> DictStorage:
    return DictStorage(StorageSpec("shelf", "shelf", "shelf"))


class TestCsvUnderKeys(StorageConformance):
    def put(self, storage: AssetStorage, declared: Any, data: pa.Table) -> None:
        assert isinstance(storage, DictStorage)
        storage.things[f"{declared.path}.csv"] = (csv_of(data), 1)

    def get(self, storage: AssetStorage, declared: Any) -> bytes | None:
        assert isinstance(storage, DictStorage)
        return storage.get_key(f"{declared.path}.csv")


def publish(storage: AssetStorage, text: str, origin: Provenance = ORIGIN) -> None:
    storage.publish(table(), data_of(table(), (1, text)), origin)


def other(storage: DictStorage) -> DictStorage:
    """Another run's view of the same things."""
    second = DictStorage(storage.spec)
    second.things, second.turn = storage.things, storage.turn
    return second


def test_second_of_two_equal_runs_changes_nothing(storage: DictStorage) -> None:
    publish(storage, "old")
    first, second = other(storage), other(storage)
    origins = [planned(run, table()) for run in (first, second)]
    publish(first, "first", origins[0])
    before = dict(storage.things)
    with pytest.raises(StorageError, match=r"another run stored shelf/table\.csv while this one computed it") as caught:
        publish(second, "second", origins[1])
    assert "run again" in (caught.value.hint or "")
    assert storage.things == before
    publish(second, "second", planned(second, table()))
    assert storage.scan(table(), table().columns).table().column("text").to_pylist() == ["second"]


def test_the_first_of_two_runs_that_saw_nothing_wins(storage: DictStorage) -> None:
    first, second = other(storage), other(storage)
    origins = [planned(run, table()) for run in (first, second)]
    publish(first, "first", origins[0])
    with pytest.raises(StorageError, match="another run"):
        publish(second, "second", origins[1])


def test_run_that_has_only_announced_a_table_has_not_stored_it(
    storage: DictStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been killed; and where it was not, one of the two puts data first."""
    run = other(storage)
    origin, put = planned(run, table()), run.put_key

    def put_late(key: str, data: BinaryIO, seen: Head | None) -> Head:
        if not storage.things:
            storage.put_key(key, io.BytesIO(b"{}"), None)
        return put(key, data, seen)

    monkeypatch.setattr(run, "put_key", put_late)
    publish(run, "second", origin)
    assert storage.scan(table(), table().columns).table().column("text").to_pylist() == ["second"]
    manifest = storage.read_manifest(table())
    assert manifest is not None
    assert manifest.run_id == origin.run_id


def test_data_without_their_manifest_are_stored_again(storage: DictStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(storage, "old")
    origin, put = planned(storage, table()), storage.put_key

    def no_manifest(key: str, data: BinaryIO, seen: Head | None) -> Head:
        if key.startswith("."):
            raise TimeoutError("no answer")
        return put(key, data, seen)

    with monkeypatch.context() as patch:
        patch.setattr(storage, "put_key", no_manifest)
        with pytest.raises(StorageError, match="no answer"):
            publish(storage, "first", origin)
    publish(storage, "second", origin)
    assert storage.scan(table(), table().columns).table().column("text").to_pylist() == ["second"]


def test_two_runs_that_store_the_same_bytes_do_not_quarrel(storage: DictStorage) -> None:
    first, second = other(storage), other(storage)
    origins = [planned(run, table()) for run in (first, second)]
    for run, origin in zip((first, second), origins, strict=True):
        publish(run, "the same", origin)


def test_a_backends_error_names_table_storage_and_cause(storage: DictStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(key: str) -> bytes | None:
        raise LookupError("shelf fell down")

    monkeypatch.setattr(storage, "head_key", broken)
    with pytest.raises(StorageError) as caught:
        storage.scan(table(), table().columns).table()
    assert caught.value.message == "shelf/table.csv cannot be read: LookupError: shelf fell down"
    assert caught.value.hint == "look at storage `shelf`"
    assert isinstance(caught.value.__cause__, LookupError)


def test_a_change_within_the_same_second_is_seen(storage: DictStorage) -> None:
    one, two = Head(5, 7_000_000_000, '"a"'), Head(5, 7_000_000_000, '"b"')
    assert one.stamp != two.stamp
    assert one.stamp // 10**9 == two.stamp // 10**9 == 7


def test_without_version_or_time_the_bytes_decide(storage: DictStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(storage, "a")
    hash_ = storage.content(table(), ())
    assert hash_ is not None
    monkeypatch.setattr(storage, "head_key", lambda key: Head(len(storage.things[key][0])))
    content = storage.content(table(), (hash_._replace(content_hash="not this", modified_ns=0),))
    assert content is not None
    assert content.content_hash == hash_.content_hash


class TestStrays:
    def test_an_undeclared_table_is_found_and_removed(self, storage: DictStorage) -> None:
        publish(storage, "a")
        (stray,) = storage.strays((), frozenset())
        assert (stray.table, stray.uri, stray.keep) == ("table", "shelf/table.csv", None)
        assert storage.remove_stray(stray) is None
        assert storage.things == {}

    def test_it_names_the_project_that_stored_it(self, storage: DictStorage) -> None:
        storage.publish(table(), data_of(table(), (1, "a")), replace(ORIGIN, project="other"))
        (stray,) = find_strays({"shelf": storage}, {}, "mine")
        assert stray.keep == "project `other` stored it"

    def test_declared_and_taken_ones_are_left_alone(self, storage: DictStorage) -> None:
        publish(storage, "a")
        assert storage.strays([table()], frozenset()) == []
        assert storage.strays([], storage.identities(table())) == []

    def test_outside_change_looks_like_a_killed_run(self, storage: DictStorage) -> None:
        publish(storage, "a")
        content = storage.content(table(), ())
        assert content is not None
        assert storage.altered_by(table(), content) == "outside lakehouse or by an interrupted run"

    def test_one_modified_outside_stays(self, storage: DictStorage) -> None:
        publish(storage, "a")
        data, version = storage.things["table.csv"]
        storage.things["table.csv"] = (data.replace(b"a", b"b"), version + 1)
        (stray,) = storage.strays((), frozenset())
        assert stray.keep == "shelf/table.csv was altered after the run that stored it"
        assert stray.uri == "shelf/table.csv"
        assert storage.remove_stray(stray) == stray.keep

    def test_one_that_changed_since_it_was_listed_stays(self, storage: DictStorage) -> None:
        publish(storage, "a")
        (stray,) = storage.strays((), frozenset())
        publish(storage, "b")
        assert storage.remove_stray(stray) == "it changed since it was listed"
        assert "table.csv" in storage.things


def test_a_source_may_be_compressed_and_is_there_once(storage: DictStorage) -> None:
    import gzip

    source = replace(table(), kind="source")
    storage.things["table.csv.gz"] = (gzip.compress(b"id,text\n1,a\n"), 1)
    assert storage.scan(source, source.columns).table().num_rows == 1
    assert storage.uri(source) == "shelf/table.csv.gz"
    storage.things["table.csv"] = (b"id,text\n1,a\n", 1)
    with pytest.raises(StorageError, match=r"is there twice: shelf/table\.csv and shelf/table\.csv\.gz"):
        storage.scan(source, source.columns).table()


def test_large_objects_are_counted_only_if_cheap(storage: DictStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = replace(table(), format="parquet")
    for declared in (table(), parquet):
        storage.publish(declared, data_of(declared, (1, "a"), (2, "b")), ORIGIN)
        assert storage.count_rows(declared) == 2
    monkeypatch.setattr(keyed, "IN_MEMORY", 5)
    assert storage.count_rows(table()) is None
    assert storage.count_rows(parquet) == 2


FORMS: list[dict[str, Any]] = [
    {"format": "csv"},
    {"format": "csv", "options": {"compression": "gzip"}},
    {"format": "parquet"},
    {"format": "jsonl", "options": {"compression": "zstd"}},
]


class TestFormerFormats:
    """What files do: a table is there once, and nothing of anybody else's goes."""

    def change(self, storage: DictStorage, text: str = "a", **form: Any) -> None:
        """As another run does it, which has planned before."""
        declared = replace(table(), **form)
        run = other(storage)
        run.publish(declared, data_of(declared, (1, text)), planned(run, declared))

    def data(self, storage: DictStorage) -> list[str]:
        return sorted(key for key in storage.things if not key.startswith("."))

    @pytest.mark.parametrize("before", FORMS, ids=str)
    @pytest.mark.parametrize("after", FORMS, ids=str)
    def test_a_table_is_there_once(self, storage: DictStorage, before: Any, after: Any) -> None:
        self.change(storage, **before)
        self.change(storage, **after)
        assert len(self.data(storage)) == 1
        assert storage.scan(replace(table(), **after), table().columns).table()["text"].to_pylist() == ["a"]

    def test_former_object_goes_when_the_format_changes_back(self, storage: DictStorage) -> None:
        self.change(storage)
        left = storage.things["table.csv"]
        self.change(storage, format="parquet")
        storage.things["table.csv"] = left
        self.change(storage, "b")
        assert self.data(storage) == ["table.csv"]

    def test_what_somebody_altered_stays(self, storage: DictStorage) -> None:
        self.change(storage)
        data, version = storage.things["table.csv"]
        storage.things["table.csv"] = (data.replace(b"a", b"b"), version)
        self.change(storage, format="parquet")
        assert self.data(storage) == ["table.csv", "table.parquet"]

    def test_object_beside_a_table_never_stored_stays(self, storage: DictStorage) -> None:
        storage.things["table.csv"] = (b"id,text\n1,mine\n", 1)
        self.change(storage, format="parquet")
        assert self.data(storage) == ["table.csv", "table.parquet"]

    def test_what_cannot_be_removed_is_left(self, storage: DictStorage, monkeypatch: pytest.MonkeyPatch) -> None:
        def denied(self: DictStorage, key: str) -> None:
            raise PermissionError(13, "no")

        self.change(storage)
        monkeypatch.setattr(DictStorage, "delete_key", denied)
        self.change(storage, format="parquet")
        assert storage.read_manifest(table()) is not None
        assert self.data(storage) == ["table.csv", "table.parquet"]

    def test_no_former_object_is_sought_in_the_same_format(
        self, storage: DictStorage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looked_at: list[str] = []
        head_key = DictStorage.head_key

        def noted(self: DictStorage, key: str) -> Head | None:
            looked_at.append(key)
            return head_key(self, key)

        self.change(storage)
        monkeypatch.setattr(DictStorage, "head_key", noted)
        self.change(storage, "b")
        assert {key for key in looked_at if not key.startswith(".")} == {"table.csv"}


def test_a_first_table_of_which_the_end_is_cut_off_is_ours(
    storage: DictStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared = table()
    put = DictStorage.put_key

    def killed_after_the_data(self: DictStorage, key: str, data: BinaryIO, seen: Head | None) -> Head:
        head = put(self, key, data, seen)
        if key.endswith(".csv"):
            raise KeyboardInterrupt
        return head

    monkeypatch.setattr(DictStorage, "put_key", killed_after_the_data)
    with pytest.raises(KeyboardInterrupt):
        storage.publish(declared, data_of(declared, (1, "a")), ORIGIN)
    monkeypatch.undo()
    assert storage.stat(declared) is not None
    check_replaceable(storage, declared, forced=False)
    storage.publish(declared, data_of(declared, (2, "b")), ORIGIN)
    assert storage.scan(declared, declared.columns).table().num_rows == 1
