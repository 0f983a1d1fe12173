"""The keys of a partition, judged by those of the other partitions of its table that are stored."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.row_hashes import row_hashes
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.checks.judge import Judge
from lakehouse_cli.checks.keys import key_columns, valid_rows
from lakehouse_cli.checks.setting import Setting
from lakehouse_cli.errors import DataError, LakehouseError, StorageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.key_bounds import KeyBounds, Range
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.partition_keys import KEY, Unique, across_partitions, digests_name
from lakehouse_cli.model.unit import table_of, unit_of
from lakehouse_cli.plan.stored_form import form_changed
from lakehouse_cli.runner.stored_keys import other_partitions, replaced_partitions, stored_keys
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.digest_capability import KeepsDigests
from lakehouse_cli.storage.partition_digests import Digests, OwnKeys, Recorded, decoded, encoded
from lakehouse_cli.storage.table_scan import scan
from lakehouse_cli.text.counts import plural

if TYPE_CHECKING:
    from collections.abc import Callable

_ALL = "run again without `--partition` and `--max-partitions`"
# A text of which no more is kept in an index than this is not kept at all.
_LONGEST = 40


class CollectedKeys:
    """The digests of the keys of a partition, piece by piece.

    Args:
        table: The partition.
    """

    def __init__(self, table: Table) -> None:
        self.uniques: Mapping[str, Unique] = {each.name: each for each in across_partitions(table)}
        self._hidden = table.contract.sensitive
        self._pieces: dict[str, list[Digests]] = {name: [] for name in self.uniques}

    def taken(self, name: str, columns: Sequence[pa.ChunkedArray]) -> tuple[Any, Sequence[Partition]]:
        """Take the keys of a piece; returns the 0-based rows of which other partitions have the keys, and these.

        Args:
            name: Of the check, or `KEY`.
            columns: Of the rows that are judged; rows with a null are passed over, but where nulls are alike.
        """
        unique = self.uniques.get(name)
        if unique is None:
            return np.empty(0, np.int64), ()
        keys = key_columns(columns, equal_nulls=unique.equal_nulls)
        valid = valid_rows(keys)
        rows = None
        if valid is not None:
            rows = np.flatnonzero(av.to_numpy(valid))
            keys, columns = [each.filter(valid) for each in keys], [each.filter(valid) for each in columns]
        digests = _digests(keys, self._bounds(unique, columns))
        self._pieces[name].append(digests)
        at, others = self._look_up(unique, digests)
        return at if rows is None else rows[at], others

    def _look_up(self, unique: Unique, digests: Digests) -> tuple[Any, Sequence[Partition]]:
        del unique, digests
        return np.empty(0, np.int64), ()

    def _bounds(self, unique: Unique, columns: Sequence[pa.ChunkedArray]) -> KeyBounds:
        hidden = not self._hidden.isdisjoint(unique.columns)
        ranges = [None if hidden else _range(column) for column in columns]
        return KeyBounds(len(columns[0]), tuple(ranges))

    def found(self) -> dict[str, Digests]:
        """All of them, by `Unique.id`, ascending."""
        return {self.uniques[name].id: _together(pieces) for name, pieces in self._pieces.items()}


class PartitionKeys(CollectedKeys):
    """The same, judged by those of the partitions that are stored.

    Args:
        table: The partition.
        storage: Where it is stored.
        run_id: The run.
        setting: What checks are judged with.
        form: What the table is stored as by its declaration; None where that is not known.

    Raises:
        StorageError: What is stored of others cannot be looked at, or nothing is kept of keys there.

    Attributes:
        read: How many stored partitions were read, as no digests were kept of them.
    """

    def __init__(
        self, table: Table, storage: AssetStorage, run_id: str, setting: Callable[[], Setting], form: str | None
    ) -> None:
        super().__init__(table)
        self._form = form
        keeps = storage.capability(KeepsDigests)
        if keeps is None:
            raise StorageError(
                f"storage `{table.storage}` keeps no digests of keys, by which those of other partitions are judged",
                hint="let the key, and `unique`, name all dimensions as columns; or give the storage `KeepsDigests`",
                location=table.where("key", "checks"),
            )
        self._keeps = keeps
        self._table, self._storage, self._run_id, self._setting = table, storage, run_id, setting
        self._replaced = replaced_partitions(storage, table, run_id)
        self._others, self._left = other_partitions(storage, table, run_id, self._replaced)
        self._beside: dict[str, set[Partition]] = {name: set() for name in self.uniques}
        self._stored: Mapping[str, Digests] | None = None
        self._unkept: dict[str, bytes] = {}
        self.read = 0

    def _look_up(self, unique: Unique, digests: Digests) -> tuple[Any, Sequence[Partition]]:
        def read(partition: Partition, record: Recorded) -> Digests:
            return self._read(partition, record)[unique.id]

        def read_left(partition: Partition, record: Recorded) -> Digests | None:
            with suppress(StorageError):  # it may be replaced as it cannot be read
                return read(partition, record)
            return None

        known = stored_keys(self._storage, self._table)
        if self._left and digests.bounds.rows:
            self._beside[unique.name].update(known.shared(unique.id, digests, self._left, read_left)[1])
        if not self._others or not digests.bounds.rows:
            return np.empty(0, np.int64), ()
        return known.shared(unique.id, digests, self._others, read)

    def _read(self, partition: Partition, record: Recorded) -> Mapping[str, Digests]:
        """The digests of a stored partition, as they are kept; else its data are read for them, once."""
        name = digests_name(partition, record.content_hash)
        found = decoded(self._unkept.get(name) or self._keeps.kept_digests(self._table, name))
        if not all(each.id in found for each in self.uniques.values()):
            of_data = self._of_data(partition, record)
            self.read += 1
            found |= of_data
            self._unkept[name] = encoded(found)
        return found

    def keep_read(self) -> None:
        """Keep the digests of partitions that were read, once no transaction of this one keeps others from writing."""
        while self._unkept:
            self._keeps.keep_digests(self._table, *self._unkept.popitem())

    def take_anew(self, pieces: Iterator[pa.Table]) -> None:
        """Take the keys of the rows that are stored, where others were put aside."""
        self._stored = self._collected(self._table, pieces)

    def _of_data(self, partition: Partition, record: Recorded) -> Mapping[str, Digests]:
        unit = unit_of(table_of(self._table), partition)
        try:
            manifest = self._storage.read_manifest(unit) if self._form is not None else None
            if manifest is not None and self._form is not None and (how := form_changed(unit, manifest, self._form)):
                raise StorageError(f"it was stored in another way than it is declared now ({how})", hint=_ALL)
            pieces, content = scan(self._storage, unit, unit.columns).pieces_with_content(())
            if content.content_hash != record.content_hash:
                raise StorageError("its data are not those that a run stored", hint=_ALL)
            return self._collected(unit, pieces())
        except LakehouseError as error:
            raise StorageError(
                f"the keys of partition {partition}, of which no digests are kept, cannot be read: {error.message}",
                hint=_ALL if isinstance(error, DataError) else error.hint,  # it alone would be judged by the others
                location=error.location or unit.where("partitions"),
            ) from error

    def _collected(self, unit: Table, pieces: Iterator[pa.Table]) -> Mapping[str, Digests]:
        """The digests of a partition's rows that are judged nowhere else."""
        collected = CollectedKeys(unit)
        checks = [each for each in unit.contract.checks if each.name in collected.uniques]
        setting = replace(self._setting(), partitions=collected, find_lines=None)
        with closing(Judge(unit, checks, setting)) as judge:
            for piece in pieces:
                if KEY in collected.uniques:
                    collected.taken(KEY, [piece.column(each) for each in unit.key])
                judge.piece(piece)
        return collected.found()

    def own(self) -> OwnKeys:
        """What is stored of them with the partition."""
        found = self.found() if self._stored is None else self._stored
        judged = {each: record.content_hash for each, record in self._others.items()}
        uniques = []
        for name, unique in self.uniques.items():
            digests, beside = found[unique.id], sorted(self._beside[name])
            kept = tuple([(each.values, self._left[each].content_hash) for each in beside])
            uniques.append((unique, digests._replace(bounds=digests.bounds._replace(beside=kept))))
        return OwnKeys(self._run_id, uniques, judged, self._replaced)

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks for the user."""
        if not self.read:
            return ()
        what = plural(self.read, "stored partition")
        return (f"{what} {'was' if self.read == 1 else 'were'} read for the keys, of which no digests were kept",)


def _digests(keys: Sequence[pa.ChunkedArray], bounds: KeyBounds) -> Digests:
    high = row_hashes(keys)
    low = row_hashes([pa.chunked_array([av.from_numpy(high, pa.uint64())]), *keys])
    return Digests(high, low, bounds)


def _together(pieces: Sequence[Digests]) -> Digests:
    if not pieces:
        return Digests(np.empty(0, np.uint64), np.empty(0, np.uint64), KeyBounds(0, ()))
    high, low = (np.concatenate([piece[part] for piece in pieces]) for part in (0, 1))
    order = np.argsort(high, kind="stable")
    some = [piece.bounds for piece in pieces if piece.bounds.rows]
    ranges = tuple(map(_wider, zip(*(each.columns for each in some), strict=True)))
    return Digests(high[order], low[order], KeyBounds(len(high), ranges))


def _wider(ranges: Collection[Range]) -> Range:
    known = [each for each in ranges if each is not None]
    if len(known) < len(ranges):
        return None
    return min(each[0] for each in known), max(each[1] for each in known)


def _range(column: pa.ChunkedArray) -> Range:
    """The least and the greatest value of a column, of a type that keeps its order as an integer or as text."""
    t, kind = pa.types, column.type
    if t.is_dictionary(kind):
        return _range(column.cast(kind.value_type))
    if t.is_temporal(kind):
        column = column.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
    elif not (t.is_integer(kind) or t.is_string(kind) or t.is_large_string(kind)):
        return None
    if column.null_count:  # where nulls are alike
        return None
    found = pc.min_max(column).as_py()
    least, greatest = found["min"], found["max"]
    if isinstance(least, str) and max(len(least), len(greatest)) > _LONGEST:
        return None
    return None if least is None else (least, greatest)
