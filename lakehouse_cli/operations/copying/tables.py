"""Stored tables and their manifests, copied from one environment to another.

A copy is the very table that was materialized: its manifest keeps the run, the recipe and the inputs, so that a plan in
the other environment finds it up to date where it truly is. Formats differ, and with them the hashes of stored data; of
an input that the other environment has a copy of, the copy's hash is recorded.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lakehouse_cli.errors import LakehouseError, StorageError, UsageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import InputRecord, Manifest, is_same_content
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.model.unit import selected_alone
from lakehouse_cli.operations.copying.checks import copied_checks
from lakehouse_cli.operations.copying.columns import refuse_other_columns
from lakehouse_cli.operations.copying.division import divide
from lakehouse_cli.operations.copying.parts import CopiedParts
from lakehouse_cli.operations.copying.results import CopiedTable, CopyResult
from lakehouse_cli.plan.recipes import reading_of, stored_as
from lakehouse_cli.plan.selection import Selection
from lakehouse_cli.plan.snapshot import StoredEnvironment
from lakehouse_cli.plan.stored_form import reading_changed
from lakehouse_cli.runs.error_info import ErrorInfo
from lakehouse_cli.runs.events import new_run_id
from lakehouse_cli.runs.lock import run_lock
from lakehouse_cli.storage.base import Provenance
from lakehouse_cli.storage.capabilities import identities, in_use, publish_pieces, remove_leftovers
from lakehouse_cli.storage.hashing import HashingSink
from lakehouse_cli.storage.undeclared_types import check_undeclared_types
from lakehouse_cli.text.clock import now_text
from lakehouse_cli.text.redaction import Mask, masked
from lakehouse_cli.text.terminal import moments_apart

if TYPE_CHECKING:
    import pyarrow as pa

_OVERWRITES = "`--force` overwrites it"


@dataclass(slots=True)
class _Copy:
    """A copy of tables from one environment to another.

    Attributes:
        source: The environment they come from.
        target: The environment they go to.
        force: Whether a newer or foreign table there may be overwritten.
        project: Name of the project.
        mask: Redacts secret values in errors.
        run_id: For a source's copy, which no run has made.
    """

    source: StoredEnvironment
    target: StoredEnvironment
    force: bool
    project: str
    mask: Mask
    run_id: str = field(default_factory=new_run_id)
    _here: dict[str, TableState] = field(default_factory=dict)
    _there: dict[str, TableState] = field(default_factory=dict)
    _copies: dict[str, InputRecord] = field(default_factory=dict)
    _equal: set[str] = field(default_factory=set)
    _divided: dict[str, CopiedParts] = field(default_factory=dict)
    _sources: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def plan(self, names: Iterable[str]) -> list[CopiedTable]:
        """Decide about each table; read nothing but manifests, and newer tables of the target."""
        names = tuple(names)
        self._look_up(names)
        made = [state.manifest for state in self._here.values() if state.manifest is not None]
        used = [name for manifest in made for name in manifest.inputs]
        used += [other for name in names for other in self._references(name)]
        self._look_up(tuple(dict.fromkeys(n for n in used if n in self.source.tables and n not in self._here)))
        found = refuse_other_columns(map(self._planned, names), self._here, self.source, self.target)
        if any(table.status == "refused" for table in found):
            note = "nothing is copied while another table is refused"
            return [replace(t, status="held_back", note=note) if t.status == "planned" else t for t in found]
        return found

    def _look_up(self, names: tuple[str, ...]) -> None:
        self._here |= self.source.snapshot(names).states
        # A plan does not read the manifests of copied sources.
        self._there |= self.target.snapshot(names, source_manifests=True).states

    def carry_out(self, planned: Iterable[CopiedTable], on_begin: Callable[[str], None]) -> Iterable[CopiedTable]:
        """Copy the planned tables; one that fails does not stop the others.

        Args:
            planned: From `plan`.
            on_begin: Called with each table that is begun.
        """
        planned = tuple(planned)
        names = [table.name for table in planned if table.status == "planned"]
        sides = (self.source, self.target)
        with in_use(dict.fromkeys(side.storages[side.tables[name].storage] for side in sides for name in names)):
            self._remove_leftovers([self.target.tables[name] for name in names])
            for table in planned:
                if table.status == "planned":
                    on_begin(table.name)
                    table = self._copied(table)
                yield table

    def _remove_leftovers(self, tables: Iterable[Table]) -> None:
        """Remove what killed processes left half-written beside the tables that are about to be written."""
        by_storage: dict[str, list[Table]] = {}
        for table in tables:
            by_storage.setdefault(table.storage, []).append(table)
        for storage, written in by_storage.items():
            remove_leftovers(self.target.storages[storage], written)

    def _planned(self, name: str) -> CopiedTable:
        here, there = self._here[name], self._there[name]
        table = self.source.tables[name]
        rows = here.manifest.row_count if here.manifest is not None else None
        found = CopiedTable(name, table.kind, "planned", here.uri, there.uri, rows=rows)
        trouble = here.trouble or there.trouble or here.other_options
        if trouble is not None:
            return self._failed(found, trouble)
        if not here.exists:
            why = "what was stored is gone" if here.gone else "never materialized"
            why = why if table.kind == "computed" else "not there"
            return replace(found, status="missing", note=f"{why} in `{self.source.environment}`")
        if self._is_one_place(name):
            return self._in_one_place(found)
        never = self._why_never(name)
        if never is not None:
            if self._is_the_same(name, here, there):
                return replace(found, status="unchanged", note="there already")
            hint = f"copy what is stored, as it is, by other means, or leave it out: `--exclude {name}`"
            return replace(found, status="refused", note=never, hint=hint)
        if self.force:
            return found
        if self._is_copied(name, here, there):
            return replace(found, status="unchanged", note="there already")
        if table.kind == "computed" and here.altered:
            reason, hint = self._why_not_from(name, here)
            return replace(found, status="refused", note=self.mask(reason), hint=hint)
        foreign = self._why_foreign(name, here, there) if there.exists else None
        if foreign is not None:
            return replace(found, status="refused", note=self.mask(foreign), hint=_OVERWRITES)
        newer = self._why_newer(here, there)
        if newer is None:
            return found
        if not self._has_same_rows(name, here, there):
            return replace(found, status="refused", note=newer, hint=_OVERWRITES)
        self._equal.add(name)
        return replace(found, status="unchanged", note="the same is there, computed later")

    def _failed(self, table: CopiedTable, error: LakehouseError) -> CopiedTable:
        info = masked(ErrorInfo.of(error), self.mask)
        return replace(table, status="failed", note=info.message, error=info)

    def _in_one_place(self, found: CopiedTable) -> CopiedTable:
        """A table that is there already, if the target reads it as it is."""
        note = "both environments keep it in one place"
        one, other = self.source.tables[found.name], self.target.tables[found.name]
        before, now = (
            stored_as(one, self.source.specs[one.storage]),
            stored_as(other, self.target.specs[other.storage]),
        )
        changes = reading_changed(other, before, now)
        if not changes:
            return replace(found, status="unchanged", note=note)
        hint = f"give it one format and the same options in both, or another place in `{self.target.environment}`"
        note = f"{note}, which `{self.target.environment}` would read as something else: {changes}"
        return replace(found, status="refused", note=note, hint=hint)

    def _is_one_place(self, name: str) -> bool:
        one, other = self.source.tables[name], self.target.tables[name]
        here, there = self.source.storages[one.storage], self.target.storages[other.storage]
        before, after = self.source.specs[one.storage], self.target.specs[other.storage]
        same = (before.type, before.root, before.connection) == (after.type, after.root, after.connection)
        if same and here.uri(one) == there.uri(other):
            return True
        # Two roots may be one folder by way of a link.
        return bool(identities(here, one) & identities(there, other))

    def _why_never(self, name: str) -> str | None:
        """Explain why a source cannot be written so that it is read as it is declared; None where it can."""
        table = self.target.tables[name]
        if table.kind != "source":
            return None
        if table.contract.has_other_names:
            return "columns of it are read by `from`, and a copy would have them under their own names"
        if not self._sources:
            for each in self.target.tables.values():
                if each.kind == "source":
                    self._sources.setdefault(self._place(each), []).append(each.name)
        others = [f"`{other}`" for other in self._sources[self._place(table)] if other != name]
        return f"{' and '.join(others)} shares its path, and a copy would hold the columns of one" if others else None

    def _place(self, table: Table) -> tuple[str, str]:
        spec = self.target.specs[table.storage]
        return spec.root or spec.name, table.path.casefold()

    def _is_copied(self, name: str, here: TableState, there: TableState) -> bool:
        """Whether the target has a copy already, exactly as it would be copied now."""
        manifest = there.manifest
        if manifest is None or not self._is_the_same(name, here, there):
            return False
        if here.manifest is None:
            return True
        origin = self._origin(name, here)
        return (
            manifest.recipe == origin.recipe
            and manifest.inputs.keys() == origin.inputs.keys()
            and all(is_same_content(record, origin.inputs[each]) for each, record in manifest.inputs.items())
        )

    def _is_the_same(self, name: str, here: TableState, there: TableState) -> bool:
        """Whether the target has a copy of what the source has now, neither modified since."""
        if here.content is None or there.content is None:
            return False
        if name in self._equal:
            return True
        if is_same_content(here.content, there.content) and self.source.tables[name].kind == "source":
            # A source is known by its bytes; a computed table has a manifest that is to go with it.
            return True
        manifest = there.manifest
        if manifest is None or manifest.table != name or there.altered:
            return False
        if here.manifest is None:
            return name in manifest.inputs and manifest.inputs[name].content_hash == here.content.content_hash
        made = (here.manifest.run_id, here.manifest.started_at)
        return not here.altered and made == (manifest.run_id, manifest.started_at)

    def _why_foreign(self, name: str, here: TableState, there: TableState) -> str | None:
        """Explain why only force overwrites the target's table; None if it was stored for this one."""
        if there.manifest_trouble is not None:
            return there.manifest_trouble.message
        manifest = there.manifest
        if manifest is not None and manifest.project not in (None, self.project):
            return f"{there.uri} belongs to project `{manifest.project}`"
        if manifest is not None and manifest.table != name:
            return f"{there.uri} was stored as table `{manifest.table}`"
        if is_same_content(here.content, there.content):
            # Nobody loses anything.
            return None
        if manifest is None:
            return f"{there.uri} was not created by lakehouse (no manifest)"
        return f"{there.uri} was modified outside lakehouse" if there.altered else None

    def _why_not_from(self, name: str, here: TableState) -> tuple[str, str]:
        """Explain why the source's table is not the one that was materialized, and what to do about it."""
        run = f"lakehouse run {selected_alone(self.source.tables[name])} -e {self.source.environment}"
        if here.manifest is not None:
            hint = f"`{run}` computes it anew; `--force` copies it as it is"
            return f"{here.uri} was modified outside lakehouse", hint
        hint = f"`{run} --force` computes it anew; `--force` here copies it as it is"
        if here.manifest_trouble is not None:
            return here.manifest_trouble.message, hint
        return f"{here.uri} was not created by lakehouse (no manifest)", hint

    def _why_newer(self, here: TableState, there: TableState) -> str | None:
        """Explain that the target's table was computed after the source's; None if it was not."""
        before, after = here.manifest, there.manifest
        if before is None or after is None or after.started_at <= before.started_at:
            return None
        its, mine = moments_apart(after.started_at, before.started_at)
        return f"{there.uri} is newer: {its}, and {here.uri} {mine}"

    def _has_same_rows(self, name: str, here: TableState, there: TableState) -> bool:
        """Whether two tables as runs stored them are the same, though their formats may differ."""
        before, after = here.manifest, there.manifest
        if before is None or after is None or (before.columns, before.rows) != (after.columns, after.rows):
            return False
        if is_same_content(here.content, there.content):
            return True
        try:
            one, other = self.source.open_as_stored(name, here)[0], self.target.open_as_stored(name, there)[0]
            return _rows_hash(one()) == _rows_hash(other())
        except LakehouseError:
            return False

    def _origin(self, name: str, here: TableState) -> Provenance:
        """Make the provenance that the manifest of the copy records."""
        manifest = here.manifest
        if manifest is None or here.altered:
            source = self.source.tables[name].kind == "source"
            inputs = {name: here.content} if source and here.content is not None else {}
            now = now_text()
            return Provenance(self.run_id, now, inputs=inputs, project=self.project)
        recipe = manifest.recipe
        if recipe is not None:
            # The copy is written with the target's format and options as they are now.
            table = self.target.tables[name]
            recipe = replace(recipe, storage=stored_as(table, self.target.specs[table.storage]))
        by = self.source.tables[name].partition
        inputs = {each: self._input(each, record, by) for each, record in manifest.inputs.items()}
        project = manifest.project or self.project
        made = (manifest.run_id, manifest.started_at, recipe, inputs, manifest.memory_bytes, project)
        checks = copied_checks(manifest.checks, by, lambda content_hash: self._against(name, content_hash, by))
        return Provenance(*made, object=manifest.object, checks=tuple(checks))

    def _references(self, name: str) -> tuple[str, ...]:
        return self.source.graph.references(name.partition("/")[0])

    def _against(self, name: str, content_hash: str, by: Partition | None) -> str:
        """Return the hash of the target's copy of the table that a check looked at; the same where there is none."""
        for other in self._references(name):
            now = None if self.source.tables[other].is_partitioned else self._here[other].content
            copied = self._input(other, now or InputRecord(content_hash, 0, 0), by)
            if (now is None or now.content_hash == content_hash) and copied.content_hash != content_hash:
                return copied.content_hash
        return content_hash

    def _input(self, name: str, record: InputRecord, by: Partition | None) -> InputRecord:
        """Return the target's record of an input, if that is a copy of the one that was used; else the record."""
        table = self.source.tables.get(name)
        if table is not None and table.is_partitioned:
            return self._parts(name).record(record, by) or record
        if name not in self.source.tables or not is_same_content(self._here[name].content, record):
            return record
        if name in self._copies:
            return self._copies[name]
        there = self._there[name]
        return there.content if there.content and self._is_the_same(name, self._here[name], there) else record

    def _parts(self, name: str) -> CopiedParts:
        """The partitions of a table that are copied, or were already."""
        if name in self._divided:
            return self._divided[name]
        tables = self.source.tables.values()
        units = {each.partition: each.name for each in tables if each.name.startswith(f"{name}/") and each.partition}

        def look(chosen: Iterable[Partition]) -> None:
            self._look_up(tuple([units[each] for each in chosen if units[each] not in self._here]))

        def here(partition: Partition) -> InputRecord | None:
            return self._here[units[partition]].content

        def there(partition: Partition) -> InputRecord | None:
            unit = units[partition]
            if unit in self._copies:
                return self._copies[unit]
            state = self._there[unit]
            return state.content if state.content and self._is_the_same(unit, self._here[unit], state) else None

        return self._divided.setdefault(
            name, CopiedParts([each for each in units if each is not None], look, here, there)
        )

    def _copied(self, planned: CopiedTable) -> CopiedTable:
        clock = time.perf_counter()
        try:
            manifest = self._publish(planned.name)
        except LakehouseError as error:
            return self._failed(planned, error)
        table = self.target.tables[planned.name]
        # A source has no manifest for its readers.
        described = manifest if table.kind == "computed" else None
        reading = reading_of(table, described, stored_as(table, self.target.specs[table.storage]))
        # Its time is too recent to distinguish a later change from this one.
        self._copies[planned.name] = manifest.content._replace(modified_ns=None, reading=reading)
        seconds = round(time.perf_counter() - clock, 6)
        return replace(planned, status="copied", rows=manifest.row_count, bytes=manifest.bytes, duration_s=seconds)

    def _publish(self, name: str) -> Manifest:
        here, there = self._here[name], self._there[name]
        pieces, content = self.source.open_as_stored(name, here)
        if here.content is not None and content.content_hash != here.content.content_hash:
            hint = "copy again when nothing is running there"
            raise StorageError(f"{here.uri} was replaced before it was read", hint=hint)
        target = self.target.tables[name]
        # A foreign table is replaced if that is forced, or if it is the very same.
        forced = self.force or is_same_content(here.content, there.content)
        origin = replace(self._origin(name, here), forced=forced, expected=there.version)
        storage = self.target.storages[target.storage]

        def checked() -> Iterator[pa.Table]:
            rest = pieces()
            first = next(rest)
            rows = here.manifest.rows if here.manifest is not None else first.num_rows
            check_undeclared_types(storage, target, first.schema, rows)
            yield from chain([first], rest)

        return publish_pieces(storage, target, checked(), lambda: origin)


def _rows_hash(pieces: Iterable[pa.Table]) -> str:
    """Hash the columns, types and rows in their order, whatever format they were read from."""
    from lakehouse_cli.formats.ipc.format import IpcFormat
    from lakehouse_cli.formats.ipc.spec import IpcOptions

    with Path(os.devnull).open("wb") as nowhere:
        sink = HashingSink(nowhere)
        IpcFormat().write_pieces(pieces, sink, IpcOptions(compression="none"))
    return sink.hexdigest()


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
    on_table: Callable[[CopiedTable], None],
    on_begin: Callable[[str], None],
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
    left = 0 if sources else sum(source.tables[name].kind == "source" for name in selection.names)
    if left:
        stay = "1 source stays" if left == 1 else f"{left} sources stay"
        notes = (*notes, f"{stay} where {'it is' if left == 1 else 'they are'}; `--sources` copies them too")
    parts = divide(source, target, names, mask)
    copy = _Copy(parts.source, parts.target, force, project, mask)
    tables: list[CopiedTable] = []

    def report(ended: Iterable[CopiedTable]) -> None:
        for table in parts.tables(ended):
            on_table(table)
            tables.append(table)

    if dry_run:
        report(copy.plan(parts.names))
    else:
        hint = "nothing is copied there while a run goes on; wait until it has ended"
        with run_lock(folder, target.environment, run_id=copy.run_id, hint=hint):
            report(copy.carry_out(copy.plan(parts.names), on_begin))
    tables.sort(key=lambda each: names.index(each.name))
    return CopyResult(project, source.environment, target.environment, dry_run, tuple(tables), notes)
