"""Delta Lake tables: each version a commit that holds data and manifest as one.

Written by Arrow and committed by delta-rs: its own writer lets chunks of a stream change places, and rounds what Delta
has no type for.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.fs
from deltalake.exceptions import DeltaError
from msgspec.structs import replace

from lakehouse_cli.errors import ObstructedError, StorageError, UnclaimedError, UsageError
from lakehouse_cli.formats.base import NullSink
from lakehouse_cli.formats.stored_types import read_declared, read_declared_pieces, storable, wanted_names
from lakehouse_cli.model import Column, StorageSpec, Table
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.model.stored_version import UNREADABLE
from lakehouse_cli.model.time_span import TimeSpan
from lakehouse_cli.model.unit import needs_manifest, selected_alone
from lakehouse_cli.runs.exits import undisturbed
from lakehouse_cli.storage.base import AssetStorage, Pieces, Provenance, Scan, Stored, record_of
from lakehouse_cli.storage.counted_pieces import CountedPieces
from lakehouse_cli.storage.delta.files import WHAT, FileAside, file_schema, has_wall_clock, write_file
from lakehouse_cli.storage.delta.log import (
    ConflictError,
    DataFile,
    Snapshot,
    Undivided,
    allow_wall_clock,
    commit,
    filesystem,
    stamp,
)
from lakehouse_cli.storage.errors import Cause, overtaken, system_cause, translate_errors
from lakehouse_cli.storage.format_storage import (
    columns_of,
    make_manifest,
    missing_data,
    parse_manifest,
)
from lakehouse_cli.storage.hashing import HashingSink
from lakehouse_cli.storage.keyed.aws_flags import aws_flags
from lakehouse_cli.storage.keyed.object_errors import explain_text, without_addresses
from lakehouse_cli.storage.local.folders import open_folder
from lakehouse_cli.storage.local.publishing import remove_leftovers, sync_all
from lakehouse_cli.storage_types import scheme_of

_LOG = "_delta_log"
#: How often a commit is tried anew that others came before.
_COMMITS = 20
_SETTINGS = ("endpoint", "region", "access_key_id", "secret_access_key", "session_token")
_LOOKS = 16
#: How many row groups are read ahead of a transform that takes them one by one.
_AHEAD_HERE, _AHEAD_FAR = 1, 4
# Raised where a table has deletion vectors: those alone are read by delta-rs's own engine.
_UNSUPPORTED = re.compile(r"Unsupported table features required: \[([^\]]+)\]")
#: What delta-rs says of errors of the system, as Rust does.
_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_WITHOUT_DELETION_VECTORS = (
    "have them purged and the feature dropped (`ALTER TABLE … DROP FEATURE deletionVectors`), or export it as Parquet"
)


class DeltaTables(AssetStorage):
    """A folder, or a prefix of a bucket, of Delta tables; a base, see `DeltaStorage`."""

    def __init__(self, spec: StorageSpec) -> None:
        self.spec = spec
        self._local = scheme_of(spec.root) is None
        self._settings = {} if self._local else _settings(spec.connection)
        if not self._local:
            self.concurrency = _LOOKS

    def uri(self, table: Table) -> str:
        """Return the table's folder: under the root as the project file spells it."""
        root = self.spec.root_text.rstrip("/")
        return f"{root}/{table.path}" if root not in ("", ".") else table.path

    def _place(self, path: str) -> str:
        return f"{self.spec.root}/{path}" if self._local else f"{self.spec.root.rstrip('/')}/{quote(path)}"

    def _refuse_link(self, table: Table) -> None:
        """Refuse a link in place of the table's folder, its log or one above: a commit would be written through it."""
        log = f"{os.path.realpath(self.spec.root) if self._local else ''}/{table.path}/{_LOG}"
        if self._local and os.path.realpath(log) != log.replace("//", "/"):
            raise ObstructedError(
                f"{self.uri(table)} is behind a link",
                hint="replace the link by a folder, or give the table another `path:`",
                location=table.where("path", "storage"),
            )

    def _open(self, table: Table, version: int | None = None) -> Snapshot | None:
        if table.kind == "computed":
            self._refuse_link(table)
        place = self._place(table.path)
        if self._local and not os.path.isdir(f"{place}/{_LOG}"):
            return None
        return Snapshot.open(place, self._settings, version)

    def _existing(self, table: Table) -> Snapshot:
        found = self._open(table)
        if found is None:
            raise missing_data(table, self.uri(table), "put a Delta table there")
        return found

    def stat(self, table: Table) -> Stored | None:
        """Return the size of the files of the latest version, and when the newest was written."""
        with translate_errors(self, table, "looked at"):
            found = self._open(table)
            return None if found is None else Stored(found.size, found.stamp)

    def content(self, table: Table, known: Iterable[InputRecord]) -> InputRecord | None:
        """By version where that is known; else by the manifest of a run's own commit, else by the files it has."""
        with translate_errors(self, table, "looked at"):
            found = self._open(table)
            if found is None:
                return None
            return self._record(table, found, known)

    def _record(self, table: Table, found: Snapshot, known: Iterable[InputRecord]) -> InputRecord:
        known = tuple(known)
        for record in known:
            if record.bytes == found.size and record.modified_ns == found.stamp:
                return record
        own = self._described(found, table.name)
        hash_ = found.state_hash if own is None else own.content_hash
        return record_of(hash_, found.size, found.stamp, known)

    def scan(self, table: Table, columns: Sequence[Column] | None) -> Scan:
        """Return the declared columns of the latest version."""
        found = Scan(
            self,
            table,
            partial(self._read_latest, table, columns),
            partial(self._read_pieces_of_latest, table, columns),
        )
        found.read_within = partial(self._read_pieces_of_latest, table, columns)
        found.reads_columns = not needs_manifest(table, columns)
        return found

    def _read_latest(
        self, table: Table, columns: Sequence[Column] | None, known: tuple[InputRecord, ...] | None
    ) -> tuple[pa.Table, InputRecord | None]:
        with translate_errors(self, table, "read"):
            found, columns = self._latest(table, columns)
            data = self._read(found, columns, table)
            return data, None if known is None else self._record(table, found, known)

    def _read_pieces_of_latest(
        self,
        table: Table,
        columns: Sequence[Column] | None,
        known: tuple[InputRecord, ...],
        span: TimeSpan | None = None,
    ) -> Pieces:
        """Read as `ReadPieces` does, or as `ReadWithin`: each time the version that is the latest now."""
        with translate_errors(self, table, "read"):
            found, stored = self._latest(table, columns)
            record = self._record(table, found, known)

        def pieces() -> Iterator[pa.Table]:
            with translate_errors(self, table, "read"):
                names, shown = [field.name for field in found.table.schema().fields], self.uri(table)
                present = None if stored is None else [column for column in stored if column.name in names]
                ahead = _AHEAD_HERE if self._local else _AHEAD_FAR
                wanted = wanted_names(names, present, shown)

                def read(names: list[str]) -> Iterator[pa.Table]:
                    return (piece.select(names) for piece in found.read_pieces(shown, wanted, ahead, span))

                yield from read_declared_pieces(names, stored, shown, read)

        return pieces, record

    def _latest(self, table: Table, columns: Sequence[Column] | None) -> tuple[Snapshot, Sequence[Column] | None]:
        """The latest version, and the columns to read of it: those that are not declared by its manifest."""
        found = self._existing(table)
        own = self._described(found, table.name) if needs_manifest(table, columns) else None
        return found, columns if own is None else columns_of(own, columns, self.uri(table))

    def count_rows(self, table: Table) -> int | None:
        """By its log."""
        with translate_errors(self, table, "looked at"):
            found = self._open(table)
            return None if found is None else int(found.table.count())

    def _read(self, found: Snapshot, columns: Sequence[Column] | None, table: Table) -> pa.Table:
        stored = [field.name for field in found.table.schema().fields]
        return read_declared(stored, columns, self.uri(table), partial(found.read, self.uri(table)))

    def read_version(self, table: Table, version: int) -> pa.Table:
        """Return all columns of a version, with the types its run gave them where a run of this tool committed it."""
        with translate_errors(self, table, "read"):
            found = self._open_version(table, version, self._existing(table))
            own = self._described(found, table.name)
            columns = None
            if own is not None:
                # A field of a struct may be called what no declaration can say; Delta's types then have to do.
                with suppress(StorageError):
                    columns = columns_of(own, None, self.uri(table))
            return self._read(found, columns, table)

    def _open_version(self, table: Table, version: int, latest: Snapshot) -> Snapshot:
        if not 0 <= version <= latest.version:
            raise UsageError(f"`{table.name}` has no version {version}", hint=f"its latest is {latest.version}")
        cause = None
        try:
            found = self._open(table, version)
        except DeltaError as error:
            found, cause = None, error
        if found is None:
            raise UsageError(
                f"version {version} of `{table.name}` is no longer in its log", hint=f"its latest is {latest.version}"
            ) from cause
        return found

    def may_replace(self, table: Table, *, forced: bool) -> None:
        """Refuse a Delta table that no run of this tool ever committed to, and a place inside of another one."""
        with translate_errors(self, table, "looked at"):
            self._refuse_inside(table)
            self._refuse_foreign(self._open(table), table, forced=forced)

    def _refuse_inside(self, table: Table) -> None:
        parents = [str(parent) for parent in Path(table.path).parents][:-1]
        for parent in parents:
            if self._exists(parent):
                raise StorageError(
                    f"{self.uri(table)} is inside of a Delta table, `{parent}`, whose vacuum would remove it",
                    hint="give the table another `path:`",
                    location=table.where("path"),
                )

    def _exists(self, path: str) -> bool:
        place = self._place(path)
        return os.path.isdir(f"{place}/{_LOG}") if self._local else Snapshot.open(place, self._settings) is not None

    def _refuse_foreign(self, found: Snapshot | Undivided | None, table: Table, *, forced: bool) -> None:
        if found is None:
            return
        if found.peculiarities:
            raise StorageError(
                f"{self.uri(table)} has what computed tables have not: {', '.join(found.peculiarities)}",
                hint="remove the table, or give this one another `path:`",
                location=table.where("path", "storage"),
            )
        if found.own_version is None and not forced:
            raise UnclaimedError(self.uri(table), selected_alone(table), location=table.where("path", "storage"))

    def publish(self, table: Table, data: pa.Table, origin: Provenance) -> Manifest:
        """As `publish_pieces`, of one piece."""
        return self.publish_pieces(table, iter([data]), lambda: origin)

    def publish_pieces(self, table: Table, pieces: Iterator[pa.Table], origin_of: Callable[[], Provenance]) -> Manifest:
        """Write a file that no version has yet, then make it all there is in the next one."""
        place = self._place(table.path)
        with translate_errors(self, table, "written"):
            self._refuse_link(table)
            counted, schema = _storable(table, pieces)
            aside = FileAside(place, self._settings, local=self._local, is_alone=True)
            try:
                file, content_hash = aside.write(counted, schema)
                origin = origin_of()
                manifest = make_manifest(
                    table,
                    counted.first,
                    origin,
                    size=file.bytes,
                    content_hash=content_hash,
                    modified_ns=file.modified_ms,
                    rows=counted.rows,
                )
                with undisturbed() if self._local else nullcontext():
                    committed = self._commit(table, file, schema, manifest, origin)
                    aside.forget()
            except BaseException:
                aside.discard()
                aside.forget()
                raise
        if self._local:
            newest = max(Path(place, _LOG).glob("*.json"), default=Path(place))
            sync_all([str(newest), f"{place}/{_LOG}", place, *aside.made])
        return committed

    def rehearse(self, table: Table, pieces: Iterator[pa.Table]) -> None:
        """Write a file as `publish_pieces` does, and keep nothing of it."""
        with translate_errors(self, table, "written"):
            write_file(HashingSink(NullSink()), "", *_storable(table, pieces))

    def _commit(
        self, table: Table, file: DataFile, schema: pa.Schema, manifest: Manifest, origin: Provenance
    ) -> Manifest:
        place = self._place(table.path)
        seen: list[int | None] = []
        for _ in range(_COMMITS):
            found = self._open(table)
            self._refuse_foreign(found, table, forced=origin.forced)
            own = None if found is None else found.own_version
            if seen != [own] and (seen or not self._is_expected(found, table, origin)):
                raise overtaken(table, self.uri(table))
            seen = [own]
            if found is not None and has_wall_clock(schema):
                allow_wall_clock(found.table)
                found = replace(found, version=found.table.version())
            version = found.version + 1 if found else 0
            whole = replace(manifest, modified_ns=stamp(file.modified_ms, version))
            try:
                commit(found, place, self._settings, file, schema, whole.to_text())
            except ConflictError:
                continue
            return whole
        raise overtaken(table, self.uri(table))

    def _is_expected(self, found: Snapshot | None, table: Table, origin: Provenance) -> bool:
        """Return whether no run committed since the plan looked; others may have, as to vacuum."""
        expected = origin.expected
        if expected is None:
            return True
        if found is not None and expected.content is not None and found.stamp == expected.content.modified_ns:
            return True
        try:
            manifest = None if found is None else self._manifest(found, table.name)
        except StorageError:
            return expected.manifest == UNREADABLE
        return expected.is_described_by(manifest, origin.run_id)

    def read_manifest(self, table: Table) -> Manifest | None:
        """Return the manifest in the commit of the run that stored the table last."""
        with translate_errors(self, table, "looked at"):
            found = self._open(table)
            return None if found is None else self._manifest(found, table.name)

    def _manifest(self, found: Snapshot, name: str) -> Manifest | None:
        """The manifest of the last run up to a version, with the stamp of that version if it has the run's data."""
        version = found.own_version
        text = None if version is None else found.manifest_text(version)
        if version is None or text is None:
            return None
        manifest = parse_manifest(text, f"the manifest of `{name}`")
        if version != found.version:
            # Others committed since, perhaps nothing that changes the data: a vacuum, a property.
            with suppress(Exception):
                then = Snapshot.open(found.uri, self._settings, version)
                if then is not None and found.state_hash == then.state_hash:
                    return replace(manifest, modified_ns=found.stamp)
        return manifest

    def _described(self, found: Snapshot, name: str) -> Manifest | None:
        """The manifest of the last run, if the version has the run's data; None where it has others."""
        manifest = self._manifest(found, name)
        return manifest if manifest is not None and manifest.modified_ns == found.stamp else None

    def delete(self, table: Table) -> None:
        """Remove the table with all its versions."""
        place = self._place(table.path)
        with translate_errors(self, table, "removed"):
            if self._open(table) is None:
                return
            files = filesystem(place, self._settings)
            found = files.get_file_info(pyarrow.fs.FileSelector("", recursive=True))
            paths = [info.path for info in found if info.type == pyarrow.fs.FileType.File]
            # The newest of the log first: what is left, should this be cut short, is an older version or no table.
            in_log = sorted((path for path in paths if path.lstrip("/").startswith(_LOG)), reverse=True)
            for path in [*in_log, *(path for path in paths if path not in set(in_log))]:
                files.delete_file(path)
            if self._local:
                shutil.rmtree(place)

    def list(self) -> Iterable[Manifest]:
        """Return the manifests of all Delta tables under the root that have one, by path."""
        with translate_errors(self, None, "looked through"):
            for path in sorted(self._tables()):
                found = Snapshot.open(self._place(path), self._settings)
                manifest = None if found is None else self._manifest(found, path)
                if manifest is not None:
                    yield manifest

    def _tables(self) -> set[str]:
        if self._local and not os.path.isdir(self.spec.root):
            return set()
        files = filesystem(self.spec.root, self._settings)
        infos = files.get_file_info(pyarrow.fs.FileSelector("", recursive=True, allow_not_found=True))
        logs = (info.path.strip("/").partition(f"/{_LOG}/") for info in infos)
        return {path for path, log, _ in logs if log}

    def local_files(self, table: Table) -> Iterable[str]:
        """Return the log of a table in a folder, in which every commit leaves a file."""
        return (f"{self._place(table.path)}/{_LOG}",) if self._local else ()

    def remove_leftovers(self, tables: Iterable[Table]) -> None:
        """Remove half-written data files in the folders of these tables."""
        for table in tables if self._local else ():
            with suppress(OSError), open_folder(os.path.realpath(self._place(table.path)), "") as folder:
                remove_leftovers(folder)

    def explain(self, error: Exception, table: Table | None) -> Cause | None:
        """Explain what delta-rs and Arrow raise."""
        lacking = _UNSUPPORTED.search(str(error))
        if lacking is not None:
            features = lacking[1].replace("TypeWidening", "widened types")
            return Cause(f"it has deletion vectors, which are not read beside {features}", _WITHOUT_DELETION_VECTORS)
        bucket = self.spec.root.partition("://")[2].partition("/")[0]
        cause = None if self._local else explain_text(str(error), self.spec, bucket, "bucket")
        if cause is None and isinstance(error, FileNotFoundError) and ".parquet" in str(error):
            hint = "restore the file from a copy"
            if table is not None and table.kind == "computed":
                hint = f"`lakehouse run --force {selected_alone(table)}` stores it anew"
            return Cause("a data file that its log names is gone", hint)
        if cause is not None or (isinstance(error, OSError) and error.strerror):
            return cause
        number = _OS_ERROR.search(str(error))
        if number is not None:
            return system_cause(OSError(int(number[1]), os.strerror(int(number[1]))))
        return Cause(without_addresses(str(error)) or type(error).__name__)


def _storable(table: Table, pieces: Iterator[pa.Table]) -> tuple[CountedPieces, pa.Schema]:
    """Return the pieces of a table as they are written, and the names and types under which they are."""
    counted = CountedPieces(storable(piece, WHAT) for piece in pieces)
    return counted, file_schema(table, counted.first.schema)


def _settings(connection: Mapping[str, Any]) -> dict[str, str]:
    """Return the storage's options as delta-rs and its object store name them."""
    settings = {f"aws_{name}": str(connection[name]) for name in _SETTINGS if name in connection}
    settings |= {f"aws_{name}": json.dumps(flag) for name, flag in aws_flags(connection).items()}
    if connection.get("conditional_writes", True):
        settings["aws_conditional_put"] = "etag"
    else:
        settings["aws_s3_allow_unsafe_rename"] = "true"
    settings["retry_timeout"] = f"{max(1, round(connection.get('retry_seconds', 30)))}s"
    return settings
