"""Stored tables and their manifests, copied from one environment to another.

What is copied is the very table that was materialized: its manifest keeps the run, the recipe and what it was computed
from, so that a plan in the other environment finds it up to date where it truly is. Formats differ, and with them the
hashes of what is stored; of an input that the other environment has a copy of, the copy's hash is recorded.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from lakehouse_cli.errors import LakehouseError, StorageError, UsageError
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.operations.copying.results import CopiedTable, CopyResult
from lakehouse_cli.plan.recipes import reading_of, stored_as
from lakehouse_cli.plan.selection import Selection
from lakehouse_cli.plan.snapshot import StoredEnvironment
from lakehouse_cli.runner import new_run_id
from lakehouse_cli.runs.events import ErrorInfo
from lakehouse_cli.runs.lock import RunLock, RunLockedError
from lakehouse_cli.storage.base import AssetStorage, Provenance
from lakehouse_cli.storage.capabilities import identities, in_use
from lakehouse_cli.storage.local.publishing import HashingSink
from lakehouse_cli.storage.undeclared_types import check_undeclared_types
from lakehouse_cli.text.redaction import Mask, masked
from lakehouse_cli.text.terminal import moment_text

if TYPE_CHECKING:
    import pyarrow as pa

_OVERWRITES = "`--force` overwrites it"


class _Refusal(NamedTuple):
    """Why a table is not copied, and what to do about it."""

    reason: str
    hint: str = _OVERWRITES


@dataclass(slots=True)
class Copying:
    """Copies tables from one environment to another.

    Attributes:
        source: Where they come from.
        target: Where they go.
        force: Whether what is newer there, or another's, may be overwritten.
        run_id: Of a source's copy, which no run has made.
        project: Name of the project.
        mask: Takes secret values out of what went wrong.
    """

    source: StoredEnvironment
    target: StoredEnvironment
    force: bool
    run_id: str
    project: str
    mask: Mask
    _here: dict[str, TableState] = field(default_factory=dict)
    _there: dict[str, TableState] = field(default_factory=dict)
    _copies: dict[str, InputRecord] = field(default_factory=dict)
    _equal: set[str] = field(default_factory=set)

    def planned(self, names: Iterable[str]) -> list[CopiedTable]:
        """What would be done with each table; nothing is read but manifests, and what is newer in the target."""
        names = tuple(names)
        self._look(names)
        made = [state.manifest for state in self._here.values() if state.manifest is not None]
        inputs = dict.fromkeys(name for manifest in made for name in manifest.inputs if name in self.source.tables)
        self._look([name for name in inputs if name not in self._here])
        found = [self._planned(name) for name in names]
        if any(table.status == "refused" for table in found):
            note = "nothing is copied while another table is refused"
            return [replace(t, status="held_back", note=note) if t.status == "planned" else t for t in found]
        return found

    def _look(self, names: Sequence[str]) -> None:
        self._here |= self.source.snapshot(names).states
        # A plan does not look at the manifests of copied sources.
        self._there |= self.target.snapshot(names, source_manifests=True).states

    def carry_out(
        self, planned: Iterable[CopiedTable], tell: Callable[[CopiedTable], None], begin: Callable[[str], None]
    ) -> list[CopiedTable]:
        """Copy what is planned; one that fails is told in the result, and the rest goes on.

        Args:
            planned: From `planned`.
            tell: Told of each table when it has ended.
            begin: Told of each table that is begun.
        """
        ended, planned = [], list(planned)
        names = [table.name for table in planned if table.status == "planned"]
        with in_use(dict.fromkeys(self._storages_of(names))):
            for table in planned:
                if table.status == "planned":
                    begin(table.name)
                    table = self._copied(table)
                ended.append(table)
                tell(table)
        return ended

    def _storages_of(self, names: Iterable[str]) -> list[AssetStorage]:
        return [side.storages[side.tables[name].storage] for side in (self.source, self.target) for name in names]

    def _planned(self, name: str) -> CopiedTable:
        here, there = self._here[name], self._there[name]
        table = self.source.tables[name]
        rows = here.manifest.rows if here.manifest is not None else None
        found = CopiedTable(name, table.kind, "planned", here.uri, there.uri, rows=rows)
        trouble = here.trouble or there.trouble or here.other_options
        if trouble is not None:
            info = masked(ErrorInfo.of(trouble), self.mask)
            return replace(found, status="failed", note=info.message, error=info)
        if not here.exists:
            why = "never materialized" if table.kind == "computed" else "not there"
            return replace(found, status="missing", note=f"{why} in `{self.source.environment}`")
        if self._is_one_place(name):
            return replace(found, status="unchanged", note="both environments keep it in one place")
        if not self.force:
            if self._is_copied(name, here, there):
                return replace(found, status="unchanged", note="there already")
            why_not = self._why_not(name, here, there)
            if why_not is not None:
                return replace(found, status="refused", note=self.mask(why_not.reason), hint=why_not.hint)
            newer = self._newer(here, there)
            if newer is not None:
                if not self._is_of_the_same_rows(name, here, there):
                    return replace(found, status="refused", note=newer, hint=_OVERWRITES)
                self._equal.add(name)
                return replace(found, status="unchanged", note="the same is there, computed later")
        return found

    def _is_one_place(self, name: str) -> bool:
        one, other = self.source.tables[name], self.target.tables[name]
        here, there = self.source.storages[one.storage], self.target.storages[other.storage]
        before, after = self.source.specs[one.storage], self.target.specs[other.storage]
        same = (before.type, before.root, before.connection) == (after.type, after.root, after.connection)
        if same and here.uri(one) == there.uri(other):
            return True
        # Two roots may be one folder by way of a link.
        return bool(identities(here, one) & identities(there, other))

    def _is_copied(self, name: str, here: TableState, there: TableState) -> bool:
        """Whether the target has a copy already, exactly as it would be copied now."""
        manifest = there.manifest
        if manifest is None or not self._is_the_same(name, here, there):
            return False
        if here.manifest is None:
            return True
        origin = self._origin(name, here)
        return manifest.recipe == origin.recipe and _known(manifest.inputs) == _known(origin.inputs)

    def _is_the_same(self, name: str, here: TableState, there: TableState) -> bool:
        """Whether what the target has is a copy of what the source has now, neither altered since."""
        if here.content is None or there.content is None:
            return False
        if name in self._equal:
            return True
        if _are_the_same_bytes(here, there) and self.source.tables[name].kind == "source":
            # A source is known by its bytes; a computed table has a manifest that is to go with it.
            return True
        manifest = there.manifest
        if manifest is None or manifest.table != name or manifest.content_hash != there.content.content_hash:
            return False
        if here.manifest is None:
            return name in manifest.inputs and manifest.inputs[name].content_hash == here.content.content_hash
        made = (here.manifest.run_id, here.manifest.started_at)
        return not here.altered and made == (manifest.run_id, manifest.started_at)

    def _why_not(self, name: str, here: TableState, there: TableState) -> _Refusal | None:
        """What is of unknown making and keeps a table from being copied without being forced; None for nothing."""
        if self.source.tables[name].kind == "computed" and here.altered:
            return self._why_not_from(name, here)
        if not there.exists:
            return None
        if there.manifest_trouble is not None:
            return _Refusal(there.manifest_trouble.message)
        manifest = there.manifest
        if manifest is not None and manifest.project not in (None, self.project):
            return _Refusal(f"{there.uri} belongs to project `{manifest.project}`")
        if manifest is not None and manifest.table != name:
            return _Refusal(f"{there.uri} was stored as table `{manifest.table}`")
        if _are_the_same_bytes(here, there):
            # Whoever put them there loses nothing.
            return None
        if manifest is None:
            return _Refusal(f"{there.uri} was not created by lakehouse (no manifest)")
        if there.content is None or manifest.content_hash != there.content.content_hash:
            return _Refusal(f"{there.uri} was modified outside lakehouse")
        return None

    def _why_not_from(self, name: str, here: TableState) -> _Refusal:
        """Why what is to be copied is not taken for what was materialized."""
        run = f"lakehouse run {name} -e {self.source.environment}"
        if here.manifest is not None:
            hint = f"`{run}` computes it anew; `--force` copies it as it is"
            return _Refusal(f"{here.uri} was modified outside lakehouse", hint)
        hint = f"`{run} --force` computes it anew; `--force` here copies it as it is"
        if here.manifest_trouble is not None:
            return _Refusal(here.manifest_trouble.message, hint)
        return _Refusal(f"{here.uri} has no manifest: nobody knows what it was made by", hint)

    def _newer(self, here: TableState, there: TableState) -> str | None:
        """Tells that what the target has was computed after what is to be copied; None where it was not."""
        before, after = here.manifest, there.manifest
        if before is None or after is None or after.started_at <= before.started_at:
            return None
        return f"{there.uri} is newer: {moment_text(after.started_at)}, and {here.uri} {moment_text(before.started_at)}"

    def _is_of_the_same_rows(self, name: str, here: TableState, there: TableState) -> bool:
        """Whether two tables as runs stored them are the same, though their formats may differ."""
        before, after = here.manifest, there.manifest
        if before is None or after is None or (before.columns, before.rows) != (after.columns, after.rows):
            return False
        if _are_the_same_bytes(here, there):
            return True
        try:
            return _rows_hash(self.source.read_as_stored(name, here)[0]) == _rows_hash(
                self.target.read_as_stored(name, there)[0]
            )
        except LakehouseError:
            return False

    def _origin(self, name: str, here: TableState) -> Provenance:
        """What the manifest of the copy says of where it comes from."""
        manifest = here.manifest
        if manifest is None or here.altered:
            source = self.source.tables[name].kind == "source"
            inputs = {name: here.content} if source and here.content is not None else {}
            return Provenance(self.run_id, _now(), inputs=inputs, project=self.project)
        recipe = manifest.recipe
        if recipe is not None:
            # What is written is written with the target's format and options as they are now.
            table = self.target.tables[name]
            recipe = replace(recipe, storage=stored_as(table, self.target.specs[table.storage]))
        inputs = {each: self._input(each, record) for each, record in manifest.inputs.items()}
        project = manifest.project or self.project
        return Provenance(manifest.run_id, manifest.started_at, recipe, inputs, manifest.memory_bytes, project)

    def _input(self, name: str, record: InputRecord) -> InputRecord:
        """An input as the target has it, if that is a copy of what the table was computed from."""
        if name not in self.source.tables:
            return record
        now = self._here[name]
        if now.content is None or now.content.content_hash != record.content_hash:
            return record
        if now.content.reading != record.reading:
            return record
        if name in self._copies:
            return self._copies[name]
        there = self._there[name]
        if there.content is None or not self._is_the_same(name, now, there):
            return record
        return there.content

    def _copied(self, planned: CopiedTable) -> CopiedTable:
        clock = time.perf_counter()
        try:
            manifest = self._publish(planned.name)
        except LakehouseError as error:
            info = masked(ErrorInfo.of(error), self.mask)
            return replace(planned, status="failed", note=info.message, error=info)
        # Its time is too recent to tell a later change from this one.
        reading = self._reading(planned.name, manifest)
        self._copies[planned.name] = manifest.content._replace(modified_ns=None, reading=reading)
        seconds = round(time.perf_counter() - clock, 6)
        return replace(planned, status="copied", rows=manifest.rows, bytes=manifest.bytes, duration_s=seconds)

    def _reading(self, name: str, manifest: Manifest) -> str:
        table = self.target.tables[name]
        # A source has no manifest for whoever reads it.
        stored = manifest.columns if table.kind == "computed" else None
        return reading_of(table, stored, stored_as(table, self.target.specs[table.storage]))

    def _publish(self, name: str) -> Manifest:
        here, there = self._here[name], self._there[name]
        data, content = self.source.read_as_stored(name, here)
        if here.content is not None and content.content_hash != here.content.content_hash:
            hint = "copy again when nothing is running there"
            raise StorageError(f"{here.uri} was replaced before it was read", hint=hint)
        target = self.target.tables[name]
        # What nobody knows the making of may go where it is forced, or where it is the very same.
        forced = self.force or _are_the_same_bytes(here, there)
        origin = replace(self._origin(name, here), forced=forced, expected=there.version)
        storage = self.target.storages[target.storage]
        check_undeclared_types(storage, target, data)
        return storage.publish(target, data, origin)


def _are_the_same_bytes(here: TableState, there: TableState) -> bool:
    """Whether the same bytes are stored in both places, and read in the same way."""
    if here.content is None or there.content is None:
        return False
    return (here.content.content_hash, here.content.reading) == (there.content.content_hash, there.content.reading)


def _rows_hash(data: pa.Table) -> str:
    """A hash of columns, types and rows in their order, whatever format they were read from."""
    from lakehouse_cli.formats.ipc.format import IpcFormat
    from lakehouse_cli.formats.ipc.spec import IpcOptions

    with Path(os.devnull).open("wb") as nowhere:
        sink = HashingSink(nowhere)
        IpcFormat().write(data, sink, IpcOptions(compression="none"))
    return sink.hexdigest()


def _known(inputs: Mapping[str, InputRecord]) -> dict[str, tuple[str, str]]:
    return {name: (record.content_hash, record.reading) for name, record in inputs.items()}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def copy_tables(
    project: str,
    folder: Path,
    selection: Selection,
    source: StoredEnvironment,
    target: StoredEnvironment,
    *,
    sources: bool,
    force: bool,
    dry_run: bool,
    mask: Mask,
    on_table: Callable[[CopiedTable], None] | None = None,
    on_begin: Callable[[str], None] | None = None,
) -> CopyResult:
    """Copy the selected tables while no run goes on in the target; see `Project.copy`.

    Raises:
        UsageError: The two environments are one.
        RunLockedError: A run goes on in the target.
    """
    if source.environment == target.environment:
        hint = "name another one with `--to`"
        raise UsageError(f"tables of `{source.environment}` cannot be copied to where they are", hint=hint)
    names = [name for name in selection.names if sources or source.tables[name].kind == "computed"]
    notes = selection.notes
    left = len(selection.names) - len(names)
    if left:
        stay = "1 source stays" if left == 1 else f"{left} sources stay"
        notes = (*notes, f"{stay} where {'it is' if left == 1 else 'they are'}; `--sources` copies them too")
    run_id = new_run_id()

    def result(tables: Iterable[CopiedTable]) -> CopyResult:
        return CopyResult(project, source.environment, target.environment, dry_run, tuple(tables), notes)

    tell = on_table or _nobody
    if dry_run:
        planned = Copying(source, target, force, run_id, project, mask).planned(names)
        for table in planned:
            tell(table)
        return result(planned)
    with RunLock(folder, target.environment) as lock:
        try:
            lock.acquire(run_id=run_id)
        except RunLockedError as error:
            error.hint = "nothing is copied there while a run goes on; wait until it has ended"
            raise
        copying = Copying(source, target, force, run_id, project, mask)
        return result(copying.carry_out(copying.planned(names), tell, on_begin or _nobody))


def _nobody(told: object) -> None:
    del told
