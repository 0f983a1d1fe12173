"""What every `AssetStorage` must do with tables that come and go piece by piece; a part of `StorageConformance`.

A storage without `PublishesPieces`, or whose `Scan` reads a table as a whole, passes it all the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from msgspec.structs import replace

from lakehouse_cli.errors import MissingDataError, TransformError
from lakehouse_cli.model import Table
from lakehouse_cli.storage.base import AssetStorage, Provenance
from lakehouse_cli.storage.capabilities import PublishesPieces, publish_pieces
from lakehouse_cli.testing.stored_tables import ORIGIN, data_of, planned, table

_ROWS = 300
#: Where 300 rows are split: in one piece, in two, in many, some of them empty, in one a row.
SPLITS: Sequence[Sequence[int]] = (
    (0, _ROWS),
    (0, 299, _ROWS),
    (0, 0, 1, 1, 64, 128, 128, 300, 300),
    range(_ROWS + 1),
)


def _rows() -> pa.Table:
    return data_of(table(), *((i if i % 7 else None, f"text {i}" if i % 5 else None) for i in range(_ROWS)))


def pieces_of(data: pa.Table, ends: Sequence[int]) -> Iterator[pa.Table]:
    """Split a table at its rows."""
    return (data.slice(start, end - start) for start, end in pairwise(ends))


class PiecesConformance(ABC):
    """The part of the suite about pieces."""

    @abstractmethod
    def get(self, storage: AssetStorage, declared: Table) -> bytes | None:
        """As of `StorageConformance`."""

    def test_pieces_are_stored_as_the_whole_table_is(self, storage: AssetStorage) -> None:
        """The same rows, manifest and content, wherever they are split."""
        declared, data = table(), _rows()
        whole = storage.publish(declared, data, ORIGIN)
        for split in SPLITS:
            manifest = publish_pieces(storage, declared, pieces_of(data, split), lambda: ORIGIN)
            stored = (manifest.content_hash, manifest.rows, manifest.columns)
            assert stored == (whole.content_hash, _ROWS, whole.columns), split
            assert storage.read_manifest(declared) == manifest
            assert storage.scan(declared, declared.columns).table().equals(data), split

    def test_piece_without_rows_makes_an_empty_table(self, storage: AssetStorage) -> None:
        """With the columns of that piece."""
        declared = table()
        manifest = publish_pieces(storage, declared, iter([data_of(declared)]), lambda: ORIGIN)
        assert manifest.rows == 0
        assert storage.scan(declared, declared.columns).table().equals(data_of(declared))

    def test_origin_is_asked_for_behind_the_last_piece(self, storage: AssetStorage) -> None:
        """What is known of the inputs is known by then."""
        declared, seen = table(), list[int]()

        def pieces() -> Iterator[pa.Table]:
            for piece in pieces_of(_rows(), (0, 100, 200, _ROWS)):
                seen.append(piece.num_rows)
                yield piece

        def origin() -> Provenance:
            return replace(ORIGIN, memory_bytes=sum(seen))

        assert publish_pieces(storage, declared, pieces(), origin).memory_bytes == _ROWS

    @pytest.mark.parametrize("failure", [TransformError, KeyboardInterrupt])
    def test_failing_piece_leaves_what_was_there(self, storage: AssetStorage, failure: type[BaseException]) -> None:
        """However many came before it: nothing at first, then the table that is stored next."""
        declared = table()

        def pieces() -> Iterator[pa.Table]:
            for _ in range(3):
                yield _rows()
            raise failure("late")

        for _ in range(2):
            before, manifest = self.get(storage, declared), storage.read_manifest(declared)
            with pytest.raises(failure, match="late"):
                publish_pieces(storage, declared, pieces(), lambda: planned(storage, declared))
            assert self.get(storage, declared) == before
            assert storage.read_manifest(declared) == manifest
            # And in nobody's way.
            again = storage.publish(declared, data_of(declared, (1, "old")), ORIGIN)
            assert again.rows == 1

    def test_pieces_are_asked_for_one_by_one(self, storage: AssetStorage) -> None:
        """A storage that takes pieces has put away what came before it asks for many more: that bounds its memory."""
        if storage.capability(PublishesPieces) is None:
            pytest.skip("it stores whole tables")
        if getattr(vars(storage).get("spec"), "format", None) == "parquet":
            pytest.skip("a row group is in memory, of a million rows")
        declared, held = table(), list[int]()
        start = pa.total_allocated_bytes()

        def pieces() -> Iterator[pa.Table]:
            for number in range(100):
                texts = [f"{number:0130}"] * 5_000
                yield pa.table({"id": pa.array(range(5_000), pa.int64()), "text": pa.array(texts)})
                held.append(pa.total_allocated_bytes() - start)

        assert publish_pieces(storage, declared, pieces(), lambda: ORIGIN).rows == 500_000
        assert max(held) < 45 << 20  # of 69 MB

    def test_table_is_read_by_pieces_any_number_of_times(self, storage: AssetStorage) -> None:
        """All of it each time, with the content that it has, also while it is being read already."""
        declared, data = table(), _rows()
        manifest = storage.publish(declared, data, ORIGIN)
        opened, record = storage.scan(declared, declared.columns).pieces_with_content(())
        assert record.content_hash == manifest.content_hash
        assert pa.concat_tables(opened()).equals(data)
        one, other = opened(), opened()
        first = next(one)
        assert pa.concat_tables(other).equals(data)
        assert pa.concat_tables([first, *one]).equals(data)

    def test_piece_of_an_empty_table_has_its_columns(self, storage: AssetStorage) -> None:
        """There is one at least."""
        declared = table()
        storage.publish(declared, data_of(declared), ORIGIN)
        opened, _ = storage.scan(declared, declared.columns).pieces_with_content(())
        assert pa.concat_tables(opened()).equals(data_of(declared))

    def test_nothing_stored_has_no_pieces(self, storage: AssetStorage) -> None:
        """The error is that of reading it whole."""
        declared = table()
        with pytest.raises(MissingDataError):
            storage.scan(declared, declared.columns).pieces_with_content(())

    def test_reader_that_stops_early_is_in_nobodys_way(self, storage: AssetStorage) -> None:
        """Nor is one that has not come to its end: another may store the table, or its own result beside it."""
        declared, beside = table(), table("beside")
        rows = 70_000  # more than a piece is of, and more bytes than a block of text
        data = pa.table({"id": range(rows), "text": [f"{i:060}" for i in range(rows)]})
        storage.publish(declared, data, ORIGIN)
        opened, _ = storage.scan(declared, declared.columns).pieces_with_content(())
        reading: Any = opened()
        next(reading)
        assert publish_pieces(storage, beside, opened(), lambda: ORIGIN).rows == data.num_rows
        if hasattr(reading, "close"):  # of a storage that has whole tables there is nothing to leave
            reading.close()
        assert storage.publish(declared, _rows(), ORIGIN).rows == _ROWS
        storage.delete(beside)
