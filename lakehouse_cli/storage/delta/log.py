"""Delta tables as delta-rs has them: opened at a version, compared, committed to.

The format is that of https://github.com/delta-io/delta/blob/master/PROTOCOL.md. A run's commit carries an application
transaction whose version is the commit's own: it stays in the table's state after the log is cleaned up, and shows
which commit has the manifest.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import deltalake
import pyarrow as pa
import pyarrow.fs
import xxhash
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.fs import DeltaStorageHandler
from deltalake.transaction import AddAction, create_table_with_add_actions
from msgspec import Struct

from lakehouse_cli.model.time_span import TimeSpan
from lakehouse_cli.storage.delta.reading import DeltaReader, rows_of

#: Names this tool's commits in a table's application transactions.
APPLICATION = "lakehouse-cli"
#: The member of a commit's metadata that holds the manifest.
MANIFEST = "lakehouse.manifest"
_MILLISECOND = 1_000_000
_UNDERSTOOD = frozenset(("timestampNtz", "appendOnly", "invariants", "columnMapping"))


def filesystem(uri: str, settings: Mapping[str, str]) -> pyarrow.fs.PyFileSystem:
    """Return the files of a folder or of a prefix, as Arrow reads and writes them."""
    return pyarrow.fs.PyFileSystem(DeltaStorageHandler(uri, dict(settings)))


class Undivided(NamedTuple):
    """What is judged of a version before a run commits to it, as of `Snapshot`."""

    peculiarities: tuple[str, ...]
    own_version: int | None


class Snapshot(Struct, frozen=True, dict=True):
    """A table at one version.

    Attributes:
        uri: Where it is.
        settings: How delta-rs gets there.
        table: As delta-rs has it.
        version: Its version.
    """

    uri: str
    settings: Mapping[str, str]
    table: deltalake.DeltaTable
    version: int

    def __repr__(self) -> str:
        """Without the settings, which hold what opens the storage."""
        return f"Snapshot({self.uri!r}, {self.version})"

    @classmethod
    def open(cls, uri: str, settings: Mapping[str, str], version: int | None = None) -> Snapshot | None:
        """Return the table at a version, the latest by default; None where there is no table."""
        try:
            table = deltalake.DeltaTable(uri, version=version, storage_options=dict(settings))
        except TableNotFoundError:
            return None
        return cls(uri, settings, table, table.version())

    @cached_property
    def _files(self) -> list[dict[str, Any]]:
        files = rows_of(self.table.get_add_actions(flatten=True))
        wanted = [name for name in files.column_names if not name.startswith(("null_count", "min", "max", "num_rec"))]
        rows: list[dict[str, Any]] = files.select(wanted).to_pylist()
        return sorted(rows, key=lambda row: str(row["path"]))

    def has_file(self, name: str) -> bool:
        """Whether a data file is of this version."""
        return any(file["path"] == name for file in self._files)

    @property
    def size(self) -> int:
        """Size of its data files."""
        return sum(file["size_bytes"] for file in self._files)

    @property
    def stamp(self) -> int:
        """When its newest file was written, nanoseconds since 1970; below the millisecond the table's version.

        Delta's times have no more than milliseconds, within which a table may be stored twice.
        """
        return stamp(max((file["modification_time"] for file in self._files), default=0), self.version)

    @property
    def own_version(self) -> int | None:
        """The version that a run of this tool committed last; None where none ever did."""
        found = self.table.transaction_version(APPLICATION)
        return None if found is None else int(found)

    @cached_property
    def state_hash(self) -> str:
        """An xxh3-128, hexadecimal, that is another whenever the content is.

        Made of the files, which never change under their names, and of what says how they are read. A table that was
        only rearranged, as by OPTIMIZE, has another one too.
        """
        metadata = self.table.metadata()
        deleted = []
        if "deletionVectors" in (self.table.protocol().reader_features or ()):
            deleted = sorted(map(repr, rows_of(self.table.deletion_vectors()).to_pylist()))
        described = [metadata.id, self.table.schema().to_json(), metadata.partition_columns, self._files, deleted]
        return xxhash.xxh3_128_hexdigest(json.dumps(described, default=str, sort_keys=True).encode())

    @property
    def peculiarities(self) -> tuple[str, ...]:
        """What a plain file of all columns, which a run commits, would break or not hold to."""
        metadata = self.table.metadata()
        found = [f"feature {name}" for name in self.table.protocol().writer_features or () if name not in _UNDERSTOOD]
        if metadata.partition_columns:
            found.append("partitions")
        # Old protocols map columns without naming it a feature.
        if metadata.configuration.get("delta.columnMapping.mode", "none") != "none":
            found.append("column mapping")
        if metadata.configuration.get("delta.appendOnly") == "true":
            found.append("delta.appendOnly")
        found += [name for name in metadata.configuration if name.startswith("delta.constraints.")]
        return tuple(found)

    def manifest_text(self, version: int) -> bytes | None:
        """Return the manifest in the commit of a version; None where it has none, or where the log was cleaned up."""
        return self.commit_member(version, MANIFEST)

    def commit_member(self, version: int, name: str) -> bytes | None:
        """Return what a run of this tool put into a commit under a name; None as of `manifest_text`."""
        log = filesystem(self.uri, self.settings)
        try:
            with log.open_input_file(f"_delta_log/{version:020}.json") as file:
                text = file.read()
        except FileNotFoundError:
            return None
        for line in text.splitlines():
            found = json.loads(line).get("commitInfo", {}).get(name)
            if found is not None:
                return str(found).encode()
        return None

    def read(self, name: str, columns: list[str]) -> pa.Table:
        """Return columns by name, of a table that messages show so."""
        return pa.concat_tables(self.read_pieces(name, columns, ahead=None))

    def read_pieces(
        self, name: str, columns: Sequence[str], ahead: int | None, span: TimeSpan | None = None
    ) -> Iterator[pa.Table]:
        """As `DeltaReader.read_pieces`, of a table that messages show so."""
        return DeltaReader(self.table, self.uri, self.settings, name).read_pieces(columns, ahead, span)


def stamp(milliseconds: int, version: int) -> int:
    """Return a time and a version as one number, see `Snapshot.stamp`."""
    return milliseconds * _MILLISECOND + version % _MILLISECOND


class DataFile(Struct, frozen=True):
    """A data file that was written and is in no version yet."""

    name: str
    bytes: int
    rows: int
    modified_ms: int

    def added(self, partition: Mapping[str, str | None] | None = None) -> AddAction:
        """As delta-rs commits it, of a partition where the table is divided."""
        stats = json.dumps({"numRecords": self.rows})
        return AddAction(self.name, self.bytes, dict(partition or {}), self.modified_ms, True, stats)


class ConflictError(Exception):
    """Another commit came first; nothing was changed."""


def commit(
    before: Snapshot | None, uri: str, settings: Mapping[str, str], file: DataFile, schema: pa.Schema, manifest: str
) -> None:
    """Make a file all there is in a table, as the version that follows what was seen.

    Args:
        before: The table as it was seen; None where there was none.
        uri: Where it is.
        settings: How delta-rs gets there.
        file: The data.
        schema: Of the data.
        manifest: Kept in the same commit.

    Raises:
        ConflictError: It is at another version by now.
    """
    version = 0 if before is None else before.version + 1
    properties = deltalake.CommitProperties(
        custom_metadata={MANIFEST: manifest},
        # What was seen is to be judged again where somebody else was first.
        max_commit_retries=0,
        app_transactions=[deltalake.Transaction(APPLICATION, version)],
    )
    wanted = deltalake.Schema.from_arrow(schema)
    try:
        if before is None:
            create_table_with_add_actions(
                uri, wanted, [file.added()], storage_options=dict(settings), commit_properties=properties
            )
        else:
            before.table.create_write_transaction([file.added()], "overwrite", wanted, commit_properties=properties)
    except CommitFailedError as error:
        raise ConflictError from error
    except (DeltaError, OSError) as error:
        found = Snapshot.open(uri, settings)
        if found is not None and found.has_file(file.name):
            return  # a checkpoint could not be written, which follows the commit now and then
        if before is None and found is not None:
            raise ConflictError from error
        raise


def allow_wall_clock(table: deltalake.DeltaTable) -> None:
    """Let a table hold timestamps without a time zone, which those made before know nothing of; a commit of its own."""
    if "timestampNtz" not in (table.protocol().reader_features or ()):
        feature = deltalake.TableFeatures.TimestampWithoutTimezone
        table.alter.add_feature(feature, allow_protocol_versions_increase=True)
