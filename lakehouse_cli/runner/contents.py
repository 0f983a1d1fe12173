"""The stored content of each table, as far as a run knows: as the plan found it, then as the run left it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from copy import copy

from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import InputRecord, Manifest, is_same_content
from lakehouse_cli.model.unit import unit_name
from lakehouse_cli.plan.expansion import Gathered, gathered_content
from lakehouse_cli.plan.planned import Plan, PlannedTable
from lakehouse_cli.plan.recipes import reading_of


class Contents:
    """The record of each table's content.

    Args:
        plan: Has the content from before the run.
        gathered: Inputs that are partitions which the run makes, by name.
    """

    def __init__(self, plan: Plan, gathered: Mapping[str, Gathered] = {}) -> None:
        self._records = dict(plan.contents)
        self._found, self._readings, self._gathered = plan.found, plan.readings, gathered
        self._running = {planned.name for planned in plan.runs}
        self._unpublished: set[str] = set()
        self._not_removed: dict[str, str] = {}
        self._materialized: set[str] = set()

    def copy(self) -> Contents:
        """The same as it is now, whatever is recorded from here on."""
        copied = copy(self)
        copied._records = dict(self._records)
        return copied

    def record_materialized(self, table: Table, planned: PlannedTable, manifest: Manifest) -> None:
        """Take note of a table that was stored anew."""
        # Options are as they were planned: they are part of the recipe.
        options = planned.recipe.storage if planned.recipe is not None else ""
        self._materialized.add(table.name)
        if table.partition is not None:
            reading = self._readings[table.name.partition("/")[0]]
        else:
            reading = reading_of(table, manifest, options)
        self._records[table.name] = manifest.content._replace(reading=reading)

    def record_unpublished(self, name: str, *, same: bool) -> None:
        """Take note of a table that was computed and stored nowhere; `same` if it equals the stored one."""
        if not same:
            self._records.pop(name, None)
            self._unpublished.add(name)

    def record_not_removed(self, name: str) -> None:
        """Take note of a partition that a run would remove, and that stays as nothing is stored."""
        self._not_removed.setdefault(name.partition("/")[0], name)

    def unpublished_part(self, names: Collection[str]) -> str | None:
        """The first partition that was computed and stored nowhere, or not removed, of those that are read together.

        What reads several partitions reads all of them from where they are stored.

        Args:
            names: Under which they are read.
        """
        if left := next((self._not_removed[name] for name in names if name in self._not_removed), None):
            return left
        if not self._unpublished:
            return None
        gathered = (self._gathered[name] for name in names if name in self._gathered)
        parts = (unit_name(each.table, member) for each in gathered for member in each.members)
        return next((part for part in parts if part in self._unpublished), None)

    def is_to_come(self, name: str, ended: Collection[str]) -> bool:
        """Whether a table, or a part of it, is computed in this run and has not been yet; `ended` have a result."""
        if (gathered := self._gathered.get(name)) is not None:
            return any(self.is_to_come(unit_name(gathered.table, each), ended) for each in gathered.members)
        known = name in ended or name in self._materialized or name in self._unpublished
        return name in self._running and not known

    def of_tables(self, names: Iterable[str]) -> dict[str, InputRecord]:
        """The records of some tables, by name; without those of which nothing is known."""
        found = {name: self._record(name) for name in names}
        return {name: record for name, record in found.items() if record is not None}

    def _record(self, name: str) -> InputRecord | None:
        """What is stored of a table; of partitions that are read together, as each is by now."""
        gathered = self._gathered.get(name)
        if gathered is not None:
            return gathered_content(gathered, self._found[gathered.table].contents, self._records)
        return self._records.get(name)

    def hashes_of(self, names: Iterable[str]) -> dict[str, str]:
        """The hashes of some tables' content, by name; no hash that is stored where one came out different."""
        names = tuple(names)
        found = {name: record.content_hash for name, record in self.of_tables(names).items()}
        unpublished = (name for name in names if name in self._unpublished or self.unpublished_part([name]))
        return found | dict.fromkeys(unpublished, "unpublished")

    def came_out_the_same(self, planned: PlannedTable) -> bool:
        """Whether all inputs of a table are as they were when it was last computed."""
        manifest = planned.state.manifest if planned.state is not None else None
        return manifest is not None and all(
            is_same_content(self._record(name), manifest.inputs.get(planned.recorded.get(name, name)))
            for name in planned.inputs
        )

    def note_changes(self, planned: PlannedTable, manifest: Manifest) -> tuple[str, ...]:
        """Remarks on the inputs that were read as they are not known to be: others changed them in the middle of it."""
        return tuple(
            f"`{name}` changed while this ran, and was read as it was then: run again"
            for name, record in self.of_inputs(planned).items()
            if (used := manifest.inputs.get(name)) is not None and used.content_hash != record.content_hash
        )

    def bytes_of_inputs(self, planned: PlannedTable) -> int:
        """Sum up the stored size of a table's inputs."""
        return sum(record.bytes for record in self.of_inputs(planned).values())

    def of_inputs(self, planned: PlannedTable) -> dict[str, InputRecord]:
        """Collect the records of a table's inputs, by name."""
        return self.of_tables(planned.inputs)
