"""The results of tables that are not computed, though the plan had them run: what they need failed, or is the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planned import Plan, PlannedTable
from lakehouse_cli.runner import table_results
from lakehouse_cli.runner.contents import Contents
from lakehouse_cli.runner.failures import Failures
from lakehouse_cli.runner.jobs import InputError
from lakehouse_cli.runner.run_jobs import RunJobs
from lakehouse_cli.runs.events import TableResult
from lakehouse_cli.storage.base import AssetStorage


class Uncomputed(Struct):
    """Makes these results, from what a run knows by then.

    Attributes:
        plan: The plan.
        graph: All tables.
        storages: By name.
        jobs: Knows the results so far.
        contents: What is stored of each table by now.
        failures: Makes the results of those that fail.
        end: Takes the result of a source that cannot be read.
    """

    plan: Plan
    graph: AssetGraph
    storages: Mapping[str, AssetStorage]
    jobs: RunJobs
    contents: Contents
    failures: Failures
    end: Callable[[TableResult], None]

    def unchanged(self, planned: PlannedTable, note: str | None = None) -> TableResult:
        """The result of a table that stays as it is stored, or of a partition that waits."""
        if planned.action == "wait":
            return table_results.waiting(planned)
        return table_results.as_it_stands(planned, self.graph.tables[planned.name], note)

    def of_call(self, members: Sequence[PlannedTable]) -> list[TableResult] | None:
        """The results of tables that one call computes, where it is not called; None where it is."""
        found = {each.name: self._of(each) for each in members}
        if all(found.values()):
            return [each for each in found.values() if each is not None]
        blame = next((each for each in found.values() if each and each.status in table_results.UNUSABLE), None)
        if blame is None:
            return None
        return [found[each.name] or table_results.skipped(each, blame, together=True) for each in members]

    def _of(self, planned: PlannedTable) -> TableResult | None:
        """The result of a table that cannot or need not be computed after all; None if it is computed."""
        if planned.is_validated:
            return table_results.not_validated(planned)
        if planned.action != "run":
            return None if self.jobs.due_checks(planned) else self.unchanged(planned)
        for name in (*planned.inputs, *planned.needs):
            if self.jobs.is_unusable(name):
                return table_results.skipped(planned, self.jobs.results[name])
            if name in self.plan.unfit:
                return table_results.without_fit_input(planned, name, self.plan.unfit[name])
            if name in self.plan.out_of_reach:
                return self.without_input(planned, InputError(name, self.plan.out_of_reach[name]), seconds=0.0)
        if planned.refused is not None:
            return self.failures.of_table(planned, planned.refused, seconds=0.0, attempts=0)
        if planned.drops:
            return self._drop(planned)
        if planned.conditional and self.contents.came_out_the_same(planned):
            return self.unchanged(self.jobs.with_standing(planned), "inputs came out the same")
        if not self.jobs.publish and (other := self.contents.unpublished_part(planned.inputs)) is not None:
            return table_results.without_unpublished(planned, self.jobs.results[other])
        return None

    def _drop(self, planned: PlannedTable) -> TableResult:
        """Remove a stored partition whose source has gone."""
        table, since = self.graph.tables[planned.name], time.perf_counter()
        try:
            if self.jobs.publish:
                self.storages[table.storage].delete(table)
            else:
                self.contents.record_not_removed(planned.name)
        except LakehouseError as error:
            return self.failures.of_table(planned, error, time.perf_counter() - since, attempts=1)
        return TableResult(planned.name, "dropped", planned.reasons, uri=planned.uri)

    def without_input(self, planned: PlannedTable, failure: InputError, seconds: float) -> TableResult:
        """The result of a table whose input could not be read; a source that is read whole is what failed."""
        blame = failure.name
        table = self.graph.tables[blame]
        if table.kind != "source" or table.partition is not None or table.selected is not None:
            return self.failures.of_table(planned, failure.error, seconds, attempts=0)
        if blame not in self.jobs.results:
            found = next((each.uri for each in self.plan.tables if each.name == blame), "")
            self.end(self.failures.of_source(blame, found, failure.error, seconds))
        return table_results.skipped(planned, self.jobs.results[blame])
