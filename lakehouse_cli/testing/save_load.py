"""What a storage must do that has only `save` and `load`: all that any storage must, but for what these two cannot.

class TestMine(SaveLoadConformance):
    @pytest.fixture
    def storage(self, tmp_path):
        return storage_of(Files, str(tmp_path / "files"), project_folder=tmp_path)
    def put(self, storage, declared, data): ...
    def get(self, storage, declared): ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import parse_column_type
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.testing.every_type import NOT_A_NUMBER, VALUES
from lakehouse_cli.testing.storage import StorageConformance
from lakehouse_cli.testing.stored_tables import ORIGIN, column, data_of, table

_NOT_ATOMIC = "what `save` replaces is not replaced all at once"


@contextmanager
def _kept_or_refused(name: str) -> Iterator[None]:
    refusal = ""
    try:
        yield
    except StorageError as error:
        refusal = error.message
    assert not refusal or f"does not keep `typed` as it is: column `{name}`" in refusal


class SaveLoadConformance(StorageConformance):
    """The suite without atomic replacement and deletion; what is not kept as it is shows when it is published."""

    def test_every_type_is_held_exactly_or_refused_at_load(self, storage: AssetStorage) -> None:
        """Or refused when it is published: nobody knows before what comes back."""
        for type_name in VALUES:
            if self.refusal(storage, parse_column_type(type_name)) is None:
                with _kept_or_refused("value_0"):
                    self.check_types(storage, table("typed"), [type_name])

    def test_nan_is_no_null(self, storage: AssetStorage) -> None:
        """Or is refused when it is published."""
        for type_name in ("float64", "list<float64>"):
            declared = table("typed", column("id", "int64"), column("value", type_name))
            values = NOT_A_NUMBER[type_name]
            with _kept_or_refused("value"):
                storage.publish(declared, data_of(declared, *enumerate(values)), ORIGIN)
                read = storage.scan(declared, declared.columns).table()
                assert repr(read["value"].to_pylist()) == repr(values)

    def test_deletion(self, storage: AssetStorage) -> None:
        """Refused in words, and nothing is gone."""
        declared = table()
        data = data_of(declared, (1, "a"))
        storage.publish(declared, data, ORIGIN)
        with pytest.raises(StorageError, match="`table` cannot be removed"):
            storage.delete(declared)
        assert storage.scan(declared, declared.columns).table().equals(data)

    def test_reader_that_stops_early_is_in_nobodys_way(self, storage: AssetStorage) -> None:
        """As of any storage; what it leaves behind cannot be removed."""
        with pytest.raises(StorageError, match="`beside` cannot be removed"):
            super().test_reader_that_stops_early_is_in_nobodys_way(storage)

    @pytest.mark.parametrize("saves", [True, False], ids=["half-way", "before it saves"])
    def test_a_writer_that_dies_half_way_leaves_the_old_table(  # type: ignore[override]  # in two ways
        self, storage: AssetStorage, monkeypatch: pytest.MonkeyPatch, saves: bool
    ) -> None:
        """Or what nobody reads, and the next run stores anew."""
        declared = table()
        before = data_of(declared, (1, "old"))
        storage.publish(declared, before, ORIGIN)
        manifest = storage.read_manifest(declared)
        kept: Any = vars(storage)["_kept"]
        save = kept.save

        def dying(frame: Any, *arguments: Any) -> None:
            if saves:
                save(frame, *arguments)
            raise KeyboardInterrupt

        monkeypatch.setattr(kept, "save", dying, raising=False)
        with pytest.raises(KeyboardInterrupt):
            storage.publish(declared, data_of(declared, (2, "new")), ORIGIN)
        monkeypatch.undo()
        if not saves:
            assert storage.scan(declared, declared.columns).table().equals(before)
            assert storage.read_manifest(declared) == manifest
            return
        content, claim = storage.content(declared, ()), storage.read_manifest(declared)
        assert content is not None
        assert claim is not None
        assert content.content_hash != claim.content_hash
        with pytest.raises(StorageError, match="may be incomplete"):
            storage.scan(declared, declared.columns).table()
        data = data_of(declared, (3, "newer"))
        assert storage.publish(declared, data, ORIGIN).rows == 1
        assert storage.scan(declared, declared.columns).table().equals(data)

    @pytest.mark.skip(reason=_NOT_ATOMIC)
    def test_readers_see_the_old_table_or_the_new_one(self) -> None:  # type: ignore[override]
        """Not of these."""

    @pytest.mark.skip(reason=_NOT_ATOMIC)
    def test_two_writers_at_once_leave_one_whole_table(self) -> None:  # type: ignore[override]
        """Not of these: one run at a time stores tables."""
