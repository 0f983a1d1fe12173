"""Storages that have only `save` and `load`, as those of Dagster's Lakehouse had: whole frames, saved in place.

Nobody knows of such a storage whether it keeps values as they are, when its data changed, or where a manifest could lie
beside them. So what was saved is loaded again and compared, what is stored is known by loading and hashing it, and
manifests are kept in the project's local state.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from msgspec.structs import replace
from xxhash import xxh3_64_hexdigest, xxh3_128_hexdigest

from lakehouse_cli.arrow.conversion.refusal import shown_values
from lakehouse_cli.arrow.types import from_arrow
from lakehouse_cli.contracts import enforce
from lakehouse_cli.errors import (
    ContractError,
    DataError,
    LakehouseError,
    MissingDataError,
    StorageError,
    UnclaimedError,
)
from lakehouse_cli.formats.missing_columns import missing_columns
from lakehouse_cli.model import Column, StorageSpec, Table
from lakehouse_cli.model.manifest import OUTSIDE, UNFINISHED, Amendment, InputRecord, Manifest
from lakehouse_cli.model.unit import needs_manifest, selected_alone
from lakehouse_cli.runs.local_state import put, state_folder
from lakehouse_cli.storage.base import AssetStorage, Provenance, Scan, Stored, record_of
from lakehouse_cli.storage.errors import overtaken
from lakehouse_cli.storage.format_storage import columns_of, make_manifest, missing_data, parse_manifest
from lakehouse_cli.storage.table_digests import digest_of, first_difference
from lakehouse_cli.storage_types.own_methods import SAVED_TYPES
from lakehouse_cli.text.causes import system_reason
from lakehouse_cli.text.counts import plural, with_article
from lakehouse_cli.text.regular_files import read_regular
from lakehouse_cli.transforms.frames import FrameType, frame_type_of, owner_of
from lakehouse_cli.transforms.loading import annotations_of

_STATE = "stored"


class SaveLoadStorage(AssetStorage):
    """Tables that an object of the user's saves and loads, by the path of each.

    Args:
        spec: The declaration; its folder is that of the project, whose local state keeps the manifests.
        kept: Has ``save(frame, path, resources)`` and ``load(python_type, path, resources)``; resources are None.
    """

    def __init__(self, spec: StorageSpec, kept: Any) -> None:
        self.spec = spec
        self.concurrency = getattr(kept, "concurrency", 1)
        self.of_one_process = getattr(kept, "of_one_process", False)
        self.cannot_hold = getattr(kept, "cannot_hold", ())
        self._kept = kept
        self._frame = _frame_type(kept, spec)
        # Another root or other options are another place, whose tables are not those of this one; the project may move.
        root = spec.root.removeprefix(f"{spec.folder}/")
        place = msgspec.json.encode([spec.type, root, sorted(spec.connection.items())])
        self._state = f"{_STATE}/{spec.name}-{xxh3_64_hexdigest(place)}"

    @property
    def _called(self) -> str:
        return f"storage `{self.spec.name}` (`{self.spec.type}`)"

    def replaces_in_place(self) -> str:
        """As of `ReplacesInPlace`."""
        return f"{self._called} has only `save` and `load`: tables in it are not replaced atomically"

    def uri(self, table: Table) -> str:
        """Return the path under the root as the project file spells it."""
        return "/".join(filter(None, (self.spec.root_text.rstrip("/"), table.path)))

    def stat(self, table: Table) -> Stored | None:
        """Return the size that a table has in Arrow: there is no other way to look at it than to load it."""
        found = self.content(table, ())
        return None if found is None else Stored(found.bytes, 0)

    def content(self, table: Table, known: Iterable[InputRecord]) -> InputRecord | None:
        """By the hash of what is loaded, in the declared types."""
        try:
            return self._record(table, self._loaded(table, self._columns(table)), known)
        except MissingDataError:
            return None

    def scan(self, table: Table, columns: Sequence[Column] | None) -> Scan:
        """Return the declared columns; those that are not declared by the manifest, where it is of what is stored."""
        return Scan(self, table, partial(self._read, table, columns))

    def _read(
        self, table: Table, columns: Sequence[Column] | None, known: tuple[InputRecord, ...] | None
    ) -> tuple[pa.Table, InputRecord | None]:
        raw = self._loaded(table, self._columns(table))
        manifest = self.read_manifest(table) if table.kind == "computed" else None
        if manifest is not None and manifest.content_hash == UNFINISHED:
            raise StorageError(
                f"{self.uri(table)} may be incomplete: run {manifest.run_id} did not finish storing it",
                hint=f"`lakehouse run {selected_alone(table)}` stores it anew",
                location=table.where("storage"),
            )
        by_manifest = manifest is not None and needs_manifest(table, columns)
        record = self._record(table, raw, known or ()) if by_manifest or known is not None else None
        if by_manifest and manifest and record and manifest.content_hash == record.content_hash:
            columns = columns_of(manifest, columns, self.uri(table))
        return self._typed(table, raw, columns), record

    def _columns(self, table: Table) -> Sequence[Column] | None:
        """The declared columns, as they are called in what is stored."""
        if table.columns is None:
            return None
        return [replace(column, name=str(column.from_ or column.name), from_=None) for column in table.columns]

    def _record(self, table: Table, raw: pa.Table, known: Iterable[InputRecord]) -> InputRecord:
        """What is stored as the manifest says, else by the declared types."""
        manifest = self._former(table) if table.kind == "computed" else None
        if manifest is not None and self._is_of(table, raw, manifest):
            return record_of(manifest.content_hash, manifest.bytes, None, known)
        try:
            keep = table.kind == "computed" and table.extra_columns != "drop"
            digest, size = digest_of(self._typed(table, raw, self._columns(table), keep=keep))
        except DataError as error:
            # Nothing is ever computed of data that do not fit, so that any text but the hash of others will do.
            unfit = [error.message, *(each.message for each in error.violations)]
            digest, size = xxh3_128_hexdigest(repr(unfit).encode()), raw.nbytes
        return record_of(digest, size, None, known)

    def _is_of(self, table: Table, raw: pa.Table, manifest: Manifest) -> bool:
        """Whether what was loaded is what a manifest describes."""
        with suppress(DataError, StorageError):
            columns = columns_of(manifest, None, self.uri(table))
            if not _extra(table, raw, [column.name for column in columns or ()]):
                return digest_of(self._typed(table, raw, columns))[0] == manifest.content_hash
        return False

    def _loaded(self, table: Table, columns: Sequence[Column] | None) -> pa.Table:
        """What is stored, of whatever Arrow types its frame has.

        Raises:
            MissingDataError: Nothing is.
            StorageError: It is no frame.
        """
        try:
            frame = self._kept.load(_python_type(self._frame.name), tuple(table.path.split("/")), None)
        except (FileNotFoundError, KeyError) as error:
            missing = missing_data(table, self.uri(table), "put it there")
            if isinstance(error, KeyError):  # which may be a slip in `load`
                missing.message += f" (`load` raised {error!r})"
            raise missing from error
        if frame is None:
            raise missing_data(table, self.uri(table), "put it there")
        owner = owner_of(frame)
        if owner is None or not owner.orders_rows:
            wanted = with_article(self._frame.name)
            raise StorageError(
                f"{self._called}: `load` returned {with_article(type(frame).__name__)} for `{table.name}`",
                hint=f"return {wanted}, or None where nothing is stored",
                location=table.where("storage"),
            )
        with owner.scope():
            return owner.to_arrow(frame, columns)

    def _typed(self, table: Table, raw: pa.Table, columns: Sequence[Column] | None, *, keep: bool = False) -> pa.Table:
        """What was loaded with the types of columns, and no others unless they are kept, each value as it was.

        Raises:
            DataError: Columns are missing, or have values that are not of their types.
        """
        shown = self.uri(table)
        lacking = [column for column in columns or () if column.name not in raw.column_names]
        if lacking:
            reason = "`load` returned no such column"
            raise missing_columns(shown, lacking, raw.column_names, columns, reason=reason)
        nullable = None if columns is None else [replace(column, nullable=True) for column in columns]
        try:
            return enforce(raw, nullable, extra_columns="keep" if keep else "drop").table
        except ContractError as error:
            found = DataError(
                f"`{shown}` as `load` returned it: {_in_load(error.message)}",
                [replace(each, message=_in_load(each.message)) for each in error.violations],
                hint=f"have `load` of `{self.spec.type}` return the declared types, or correct `columns:`",
                location=error.location or table.where("columns"),
            )
            found.failed = error.failed
            raise found from None

    def publish(self, table: Table, data: pa.Table, origin: Provenance) -> Manifest:
        """Save the data, see that they come back as they were, then keep their manifest.

        Until then the manifest describes no data: what a killed run left half-saved is not taken for what either says.
        """
        digest, size = digest_of(data)
        manifest = make_manifest(table, data, origin, size=size, content_hash=digest, modified_ns=0)
        former = self._former(table)
        is_ours = former is not None and former.content_hash == UNFINISHED and former.run_id == origin.run_id
        if origin.expected is not None and not is_ours:
            now, seen = self.content(table, ()), origin.expected.content
            if (now and now.content_hash) != (seen and seen.content_hash):
                raise overtaken(table, self.uri(table))
        self._keep(table, replace(former or manifest, content_hash=UNFINISHED, run_id=origin.run_id))
        try:
            with self._frame.scope():
                self._kept.save(self._frame.from_arrow(data), tuple(table.path.split("/")), None)
        except BaseException:
            with suppress(Exception):
                if self._is_untouched(table, former):
                    self._keep(table, former)
            raise
        self._compare(table, data, digest)
        self._keep(table, manifest)
        return manifest

    def _is_untouched(self, table: Table, former: Manifest | None) -> bool:
        """Whether `save` changed nothing before it failed, as far as that shows."""
        try:
            raw = self._loaded(table, self._columns(table))
        except MissingDataError:
            return True
        return former is not None and self._is_of(table, raw, former)

    def _compare(self, table: Table, saved: pa.Table, digest: str) -> None:
        """See that a table is loaded as it was saved.

        Raises:
            StorageError: It is not; names the column and the first row.
        """
        columns = [Column(field.name, _declarable(field.type)) for field in saved.schema]
        try:
            raw = self._loaded(table, columns)
            if extra := _extra(table, raw, saved.column_names):
                raise self._changed(table, f"column `{extra[0]}` comes back, which was not saved")
            back = self._typed(table, raw, columns)
        except MissingDataError:
            raise self._changed(table, "`load` finds nothing of it") from None
        except DataError as error:
            raise self._changed(table, _unfit(error, saved)) from None
        if digest_of(back)[0] == digest:
            return
        if back.num_rows != saved.num_rows:
            what = f"{plural(saved.num_rows, 'row')} saved, {plural(back.num_rows, 'row')} loaded"
            raise self._changed(table, what)
        for name in saved.column_names:
            one, other = saved.select([name]), back.select([name])
            if digest_of(one)[0] != digest_of(other)[0]:
                row = first_difference(one, other)
                raise self._changed(table, _both(one, name, row, shown_values(other.column(name), [row])[0]))
        raise self._changed(table, "what is loaded is not what was saved")

    def _changed(self, table: Table, what: str) -> StorageError:
        return StorageError(
            f"{self._called} does not keep `{table.name}` as it is: {what}",
            hint=f"have `save` and `load` of `{self.spec.type}` keep it exactly, or give the table another `storage:`",
            location=table.where("storage"),
        )

    def may_replace(self, table: Table, *, forced: bool) -> None:
        """Refuse what has no manifest; loads it only then. One that cannot be read was ours all the same."""
        if forced or self._file(table).exists():
            return
        with suppress(MissingDataError):
            self._loaded(table, self._columns(table))
            raise UnclaimedError(self.uri(table), selected_alone(table), location=table.where("path"))

    def altered_by(self, table: Table, content: InputRecord) -> str:
        """Return what a run that did not finish has changed as such."""
        del content
        manifest = self._former(table)
        is_ours = manifest is not None and manifest.content_hash == UNFINISHED
        return "by a run that did not finish" if is_ours else OUTSIDE

    def read_manifest(self, table: Table) -> Manifest | None:
        """Return the manifest that this project kept here; None where it never stored the table."""
        file = self._file(table)
        try:
            text = read_regular(file)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise self._unkept(table, "read", error) from error
        return parse_manifest(text, str(file.relative_to(self._project)))

    def keep_checks(self, table: Table, manifest: Manifest, checks: Amendment) -> bool:
        """Replace the manifest, and leave the data."""
        now = self.read_manifest(table)
        changed = None if now is None else now.with_checks(checks, manifest)
        if changed is not None:
            self._keep(table, changed)
        return changed is not None

    def _former(self, table: Table) -> Manifest | None:
        """The manifest where it can be read."""
        with suppress(StorageError):
            return self.read_manifest(table)
        return None

    def _keep(self, table: Table, manifest: Manifest | None) -> None:
        file = self._file(table)
        try:
            if manifest is None:
                file.unlink(missing_ok=True)
            else:
                put(self._project, self._state, file.name, manifest.to_text().encode())
        except OSError as error:
            raise self._unkept(table, "written", error) from error

    def _unkept(self, table: Table, doing: str, error: Exception) -> StorageError:
        shown = self._file(table).relative_to(self._project)
        why = system_reason(error) if isinstance(error, OSError) else str(error)
        message = f"{shown}, the manifest of `{table.name}`, cannot be {doing}: {why}"
        return StorageError(message, hint="look at that folder of the project", location=table.where("storage"))

    def _file(self, table: Table) -> Path:
        return state_folder(self._project, self._state) / f"{xxh3_128_hexdigest(table.path.encode())}.json"

    @property
    def _project(self) -> Path:
        assert self.spec.folder is not None  # noqa: S101  # of every storage that a project has
        return self.spec.folder

    def delete(self, table: Table) -> None:
        """Refuse: there is no method for it."""
        raise StorageError(
            f"`{table.name}` cannot be removed: {self._called} has only `save` and `load`",
            hint=f"remove {self.uri(table)} there yourself",
            location=table.where("storage"),
        )

    def list(self) -> Iterable[Manifest]:
        """Return the manifests that this project kept here, of tables that were stored as a whole."""
        files = sorted(state_folder(self._project, self._state).glob("*.json"))
        found = [parse_manifest(read_regular(file), str(file.relative_to(self._project))) for file in files]
        return [manifest for manifest in found if manifest.content_hash != UNFINISHED]


def _frame_type(kept: Any, spec: StorageSpec) -> FrameType:
    """The frame type that `save` takes, by the annotation of its first parameter.

    Raises:
        LakehouseError: It is none, or one whose rows have no order.
    """
    first = next(iter(inspect.signature(kept.save).parameters), None)
    try:
        found = frame_type_of(annotations_of(kept.save).get(first or ""))
    except LakehouseError as error:
        message = f"storage `{spec.name}`: parameter `{first}` of `save` of `{spec.type}`: {error.message}"
        hint = SAVED_TYPES if error.message.endswith("frame type") else error.hint
        raise LakehouseError(message, hint=hint, location=spec.location) from error
    if found.orders_rows:
        return found
    raise LakehouseError(
        f"storage `{spec.name}`: parameter `{first}` of `save` of `{spec.type}`: rows of {found.name} have no order",
        hint=SAVED_TYPES,
        location=spec.location,
    )


def _python_type(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


def _extra(table: Table, raw: pa.Table, names: Sequence[str]) -> list[str]:
    """The columns that come back of a computed table beside its own, unless it drops what is not declared."""
    if table.extra_columns == "drop":
        return []
    return [name for name in raw.column_names if name not in names]


def _declarable(kind: pa.DataType) -> Any:
    found = from_arrow(kind)
    assert found is not None  # noqa: S101  # what is published was enforced
    return found


def _in_load(message: str) -> str:
    """What is said of a transform's result, of what `load` returned."""
    return message.replace("in the transform", "in `load`").replace("in the result", "in what it returned")


def _unfit(error: DataError, saved: pa.Table) -> str:
    """Say of the first column that comes back with other columns or types than were saved what is wrong with it."""
    first = error.violations[0]
    why = first.message.partition("; ")[0]
    example = next((each for each in first.examples if each.row is not None and each.row <= saved.num_rows), None)
    if example is None or example.row is None or first.column is None or first.column not in saved.column_names:
        return why
    return f"{_both(saved, first.column, example.row - 1, example.value)} ({why})"


def _both(saved: pa.Table, name: str, row: int, back: str | None) -> str:
    was, came = shown_values(saved.column(name), [row])[0], "null" if back is None else back
    return f"column `{name}` of row {row + 1} was saved as `{was}` and comes back as `{came}`"
