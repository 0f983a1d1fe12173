"""What is stored of each table, as far as a run knows: as the plan found it, then as the run left it."""

from __future__ import annotations

from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.plan.planning import Plan, PlannedTable
from lakehouse_cli.plan.recipes import reading_of
from lakehouse_cli.runner.jobs import Expected


class Contents:
    """The record of each table's content.

    Args:
        plan: What was found before the run.
    """

    def __init__(self, plan: Plan) -> None:
        self._records = {
            planned.name: planned.state.content
            for planned in plan.tables
            if planned.state is not None and planned.state.content is not None
        }
        self._records.update(plan.contents)

    def materialized(self, table: Table, planned: PlannedTable, manifest: Manifest) -> None:
        """A table was stored anew."""
        # Options are as they were planned: they are part of the recipe.
        options = planned.recipe.storage if planned.recipe is not None else ""
        self._records[table.name] = manifest.content._replace(reading=reading_of(table, manifest.columns, options))

    def unpublished(self, name: str, *, same: bool) -> None:
        """A table came out, the same as it is stored or another, and was stored nowhere."""
        if not same:
            self._records.pop(name, None)

    def came_out_the_same(self, planned: PlannedTable) -> bool:
        """Whether all inputs of a table are as they were when it was last computed."""
        manifest = planned.state.manifest if planned.state is not None else None
        if manifest is None:
            return False
        return all(
            name in manifest.inputs
            and name in self._records
            and self._records[name].content_hash == manifest.inputs[name].content_hash
            and self._records[name].reading == manifest.inputs[name].reading
            for name in planned.inputs
        )

    def bytes_of_inputs(self, planned: PlannedTable) -> int:
        """Stored size of a table's inputs, of those that the run has stored as it stored them."""
        return sum(self._records[name].bytes for name in planned.inputs if name in self._records)

    def expected(self, planned: PlannedTable) -> Expected:
        """The records of a table's inputs, and what its own data replace."""
        inputs = {name: self._records[name] for name in planned.inputs if name in self._records}
        return Expected(inputs, planned.state.version if planned.state is not None else None)
