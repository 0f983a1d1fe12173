"""Delta Lake tables that are stored by partition: one table, divided by its dimensions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import pyarrow as pa
import xxhash
from msgspec.structs import replace

from lakehouse_cli.contracts.other_partitions import refusing_others
from lakehouse_cli.errors import StorageError, UnclaimedError
from lakehouse_cli.formats.stored_types import read_declared_pieces, wanted_names
from lakehouse_cli.model import Column, Table
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.partition_keys import digests_name
from lakehouse_cli.model.unit import needs_manifest, selected_alone, table_of, unit_of
from lakehouse_cli.storage.base import Provenance, Scan, Stored
from lakehouse_cli.storage.delta.commits import DeltaCommits
from lakehouse_cli.storage.delta.files import FileAside
from lakehouse_cli.storage.delta.partition_values import partition_schema, typed_values
from lakehouse_cli.storage.delta.reading import DeltaReader
from lakehouse_cli.storage.delta.storage import _storable
from lakehouse_cli.storage.delta.units import (
    PendingUnit,
    StoredFile,
    UnitSnapshot,
    content_of,
    file_stamp,
)
from lakehouse_cli.storage.errors import other_types_hint, overtaken, translate_errors
from lakehouse_cli.storage.format_storage import columns_of, make_manifest, missing_data
from lakehouse_cli.storage.local.publishing import sync_all
from lakehouse_cli.storage.partition_digests import Recorded, keep_own
from lakehouse_cli.storage.partition_index import PartitionRecord

_AHEAD = 1


class DeltaStorage(DeltaCommits):
    """A folder, or a prefix of a bucket, of Delta tables."""

    def _looked(
        self, table: Table, *, judging: bool = False
    ) -> tuple[UnitSnapshot | None, list[StoredFile], PartitionRecord | None]:
        """The version, the files of a partition in it, and what is recorded of it.

        Partitions that wait are committed first, unless this only judges one that is to wait with them: it is judged
        again by the version that it is committed to.
        """
        units = self._of(table)
        if not judging:
            self._flush(table.base_path)
        found = units.look(recent=judging and self._is_in_use)
        if found is None or table.partition is None or found.dimensions != table.partitions:
            return found, [], None
        values = self._values(table, found)
        return found, list(found.files.get(values, ())), units.index.records.get(table.partition)

    def _values(self, table: Table, found: UnitSnapshot) -> tuple[Any, ...]:
        assert table.partition is not None  # noqa: S101  # asked for of units alone
        return typed_values(table, table.partition, pa.schema(found.snapshot.table.schema().to_arrow()))

    def uri(self, table: Table) -> str:
        """Return the table's folder; of a partition, with its values behind."""
        shown = super().uri(table_of(table))
        return shown if table.partition is None else f"{shown}/{table.partition.path}"

    def stat(self, table: Table) -> Stored | None:
        """Return size and time of the files of a partition, or of a table."""
        if table.partition is None:
            return super().stat(table)
        with translate_errors(self, table, "looked at"):
            _, files, _ = self._looked(table)
        return Stored(sum(file.bytes for file in files), max(file.stamp for file in files)) if files else None

    def content(self, table: Table, known: Iterable[InputRecord]) -> InputRecord | None:
        """Of a partition by its file, where a run stored that; else by the files that there are."""
        if table.partition is None:
            return super().content(table, known)
        with translate_errors(self, table, "looked at"):
            found, files, record = self._looked(table)
            return None if found is None else content_of(found, files, record, known)

    def read_manifest(self, table: Table) -> Manifest | None:
        """Return the manifest in the commit of the run that stored the table or the partition last."""
        if table.partition is None:
            return super().read_manifest(table)
        with translate_errors(self, table, "looked at"):
            self._looked(table)
            return self._of(table).index.manifest(table.partition, table.name)

    def partitions(self, table: Table) -> Mapping[Partition, PartitionRecord]:
        """What the commits of runs say of each partition, in order."""
        with translate_errors(self, table, "looked at"):
            self._looked(replace(table, base_path=table.path))
            return self._of(table).index.of(table.partitions)

    def contents(
        self, table: Table, known: Mapping[Partition, tuple[InputRecord, ...]]
    ) -> Mapping[Partition, InputRecord]:
        """What the latest version has of the partitions that are recorded."""
        del known
        records = self.partitions(table)
        found = self._of(table).look()
        contents: dict[Partition, InputRecord] = {}
        if found is None or found.dimensions != table.partitions:
            return contents
        schema = pa.schema(found.snapshot.table.schema().to_arrow())
        for each, record in records.items():
            with suppress(StorageError):
                files = found.files.get(typed_values(table, each, schema), [])
                content = content_of(found, files, record, (record.content,))
                if content is not None:
                    contents[each] = content
        return contents

    def claim(self, units: Sequence[Table], run_id: str, started_at: str) -> None:
        """Nothing to do: a commit holds data and manifests as one."""

    def may_replace(self, table: Table, *, forced: bool) -> None:
        """Refuse what no run stored, and a table that is not divided as this one."""
        if table.partition is None:
            super().may_replace(table, forced=forced)
            return
        with translate_errors(self, table, "looked at"):
            self._refuse_inside(table_of(table))
            found, files, record = self._looked(table, judging=True)
            self._refuse_unit(table, found, forced=forced)
            if files and record is None and not forced:
                raise UnclaimedError(self.uri(table), selected_alone(table), location=table.where("path", "storage"))

    def _refuse_unit(self, table: Table, found: UnitSnapshot | None, *, forced: bool) -> None:
        if found is None:
            return
        if found.dimensions != table.partitions:
            how = f"by {', '.join(found.dimensions)}" if found.dimensions else "into no partitions"
            raise StorageError(
                f"{super().uri(table_of(table))} is divided {how}, and `{table.name.partition('/')[0]}` is"
                f" by {', '.join(table.partitions)}",
                hint="remove the table, or give this one another `path:`",
                location=table.where("partitions", "path"),
            )
        self._refuse_foreign(found.undivided, table_of(table), forced=forced)

    def scan(self, table: Table, columns: Sequence[Column] | None) -> Scan:
        """Return the declared columns of the latest version, or of a partition in it."""
        if table.partition is None:
            return super().scan(table, columns)
        found = Scan(self, table, partial(self._read_unit, table, columns), partial(self._unit_pieces, table, columns))
        found.reads_columns = not needs_manifest(table, columns)
        return found

    def _read_unit(
        self, table: Table, columns: Sequence[Column] | None, known: tuple[InputRecord, ...] | None
    ) -> tuple[pa.Table, InputRecord | None]:
        pieces, record = self._unit_pieces(table, columns, known or ())
        return pa.concat_tables(pieces()), None if known is None else record

    def _unit_pieces(
        self, table: Table, columns: Sequence[Column] | None, known: tuple[InputRecord, ...]
    ) -> tuple[Callable[[], Iterator[pa.Table]], InputRecord]:
        with translate_errors(self, table, "read"):
            found, files, stored = self._looked(table)
            record = None if found is None else content_of(found, files, stored, known)
            if found is None or record is None:
                raise missing_data(table, self.uri(table))
            if needs_manifest(table, columns):
                manifest = self._of(table).index.manifest(table.partition, table.name) if table.partition else None
                if manifest is not None and manifest.content_hash == record.content_hash:
                    columns = columns_of(manifest, columns, self.uri(table))

        def pieces() -> Iterator[pa.Table]:
            with translate_errors(self, table, "read"):
                shown, delta = self.uri(table), found.snapshot.table
                names = [field.name for field in delta.schema().fields]
                present = None if columns is None else [column for column in columns if column.name in names]
                reader = DeltaReader(
                    delta,
                    found.snapshot.uri,
                    self._settings,
                    shown,
                    found.added.take([file.row for file in files]),
                )
                wanted = wanted_names(names, present, shown)

                def read(names: list[str]) -> Iterator[pa.Table]:
                    return (piece.select(names) for piece in reader.read_pieces(wanted, _AHEAD))

                yield from read_declared_pieces(names, columns, shown, read)

        return pieces, record

    def count_rows(self, table: Table) -> int | None:
        """By the log."""
        if table.partition is None:
            return super().count_rows(table)
        with translate_errors(self, table, "looked at"):
            found, files, _ = self._looked(table)
        if found is None:
            return None
        counts = found.added.column("num_records").take([file.row for file in files]).to_pylist()
        return None if None in counts else sum(counts)

    def publish_pieces(self, table: Table, pieces: Iterator[pa.Table], origin_of: Callable[[], Provenance]) -> Manifest:
        """As of any Delta table; of a partition, its data are written, and committed with those of others."""
        if table.partition is None:
            return super().publish_pieces(table, pieces, origin_of)
        whole = table_of(table)
        place = self._place(whole.path)
        with translate_errors(self, table, "written"):
            self._refuse_link(whole)
            counted, schema = _storable(table, pieces)
            divided = partition_schema(table, schema)
            values = typed_values(table, table.partition, divided)
            by_name = dict(zip(table.partitions, values, strict=True))
            stored = pa.schema([field for field in schema if field.name not in by_name])
            own = {name: pa.array([by_name[name]], schema.field(name).type) for name in by_name if name in schema.names}

            def without_values() -> Iterator[pa.Table]:
                with refusing_others(table, own) as check:
                    for piece in counted:
                        check(piece)
                        yield piece.select(stored.names)

            aside = FileAside(place, self._settings, local=self._local, is_alone=False)
            try:
                file, content_hash = aside.write(without_values(), stored)
                origin = origin_of()
                manifest = make_manifest(
                    table,
                    counted.first,
                    origin,
                    size=file.bytes,
                    content_hash=xxhash.xxh3_128_hexdigest(f"{content_hash} {by_name}".encode()),
                    modified_ns=file_stamp(aside.name, file.modified_ms),
                    rows=counted.rows,
                )
                full = pa.schema([*schema, *(field for field in divided if field.name not in schema.names)])
                manifest = self._wait_for_commit(
                    table, PendingUnit(table.partition, values, file, manifest, origin), full
                )
            except BaseException:
                aside.discard()
                raise
            finally:
                aside.forget()
        if aside.made:
            sync_all([place, *aside.made])
        return manifest

    def _wait_for_commit(self, table: Table, unit: PendingUnit, schema: pa.Schema) -> Manifest:
        """Return the manifest, with what its checks found by what is stored."""
        path = table.base_path
        units = self._of(table)
        with units.lock:
            if units.at_once:
                units.pending.append(unit)
                self._schemas[path] = table_of(table), schema
                return unit.manifest
            before = self._schemas.get(path)
            if before is not None and units.pending and before[1] != schema:
                self._flush(path)
            self._schemas[path] = table_of(table), schema
            keys = unit.origin.keys
            # Those that wait were judged as this one is.
            found = units.look(recent=self._is_in_use and keys is None)
            unit = self._judge(table, found, unit, units.pending)
            if keys is not None:
                keep_own(self, table, keys, unit.manifest.content_hash)
            # At once, where others may store its keys meanwhile: who waits is said to be stored.
            if not units.add(unit) and self._is_in_use and keys is None:
                return unit.manifest
            try:
                committed = self._flush(path)
            except BaseException:
                units.pending = [each for each in units.pending if each is not unit]
                raise
            for number, (each, error) in enumerate(units.failed):
                if each.partition == unit.partition:
                    del units.failed[number]
                    raise error
            return next((each for each in committed if each.partition == unit.partition), unit).manifest

    def _judge(
        self, table: Table, found: UnitSnapshot | None, unit: PendingUnit, waiting: Sequence[PendingUnit] = ()
    ) -> PendingUnit:
        """Refuse a partition of other types, that another run stored meanwhile or none did, or with a key of another.

        Returns:
            The partition, with what its checks found by what is stored now.
        """
        whole = table_of(table)
        of_unit = unit_of(whole, unit.partition)
        is_all = found is None or self._of(table).is_all(found)
        changed = None if found is None or is_all else found.changed_type(self._schemas[whole.path][1])
        if changed is not None:
            name, before, now = changed
            raise StorageError(
                f"column `{name}` of {self.uri(whole)} is {before}, and would be {now}",
                hint=other_types_hint(table),
                location=table.where(f"columns.{name}", "columns"),
            )
        self._refuse_unit(of_unit, found, forced=unit.origin.forced)
        if unit.origin.keys is not None:
            records: dict[Partition, Recorded] = {**self._of(table).index.records}
            records.update((each.partition, each.manifest) for each in waiting)
            read = partial(self.kept_digests, table)
            unit = unit._replace(manifest=unit.origin.keys.judged_anew(of_unit, unit.manifest, records, read))
        index = self._of(table).index
        now = index.manifest(unit.partition, "") if unit.partition in index.records else None
        expected = unit.origin.expected
        is_ours = now is not None and now.run_id == unit.origin.run_id and not (expected and expected.once)
        if expected is not None and not is_ours and not expected.is_described_by(now, unit.origin.run_id):
            raise overtaken(table, f"{self.uri(table)}/{unit.partition.path}")
        if found is not None and now is None and found.files.get(unit.values) and not unit.origin.forced:
            where = table.where("path", "storage")
            raise UnclaimedError(f"{self.uri(table)}/{unit.partition.path}", selected_alone(of_unit), location=where)
        return unit

    def drop(self, units: Sequence[Table]) -> None:
        """Take partitions out of the table, in one commit."""
        by_path: dict[str, list[Table]] = {}
        for unit in units:
            by_path.setdefault(unit.base_path, []).append(unit)
        for group in by_path.values():
            with translate_errors(self, group[0], "removed"):
                found, _, _ = self._looked(group[0])
                of = self._of(group[0])
                if found is None or found.dimensions != group[0].partitions:
                    continue
                dropped = [
                    (each.partition, values)
                    for each in group
                    if each.partition is not None
                    and ((values := self._values(each, found)) in found.files or each.partition in of.index.records)
                ]
                if dropped:
                    schema = pa.schema(found.snapshot.table.schema().to_arrow())
                    records = {each: of.index.records.get(each) for each, _ in dropped}
                    of.commit(schema, found.dimensions, partial(self._judge, table_of(group[0])), dropped)
                    names = [digests_name(each, record.content_hash) for each, record in records.items() if record]
                    self.drop_digests(group[0], names)

    def delete(self, table: Table) -> None:
        """Remove a table with all its versions, or take a partition out of one."""
        if table.partition is not None:
            self.drop([table])
            return
        super().delete(table)
        self._units.pop(table.path, None)

    def local_files(self, table: Table) -> Iterable[str]:
        """As of the table that a partition is of."""
        return super().local_files(table_of(table))

    def remove_leftovers(self, tables: Iterable[Table]) -> None:
        """In the folders of these tables, or of those that these partitions are of."""
        by_path = {each.path: each for each in map(table_of, tables)}
        super().remove_leftovers(by_path.values())
