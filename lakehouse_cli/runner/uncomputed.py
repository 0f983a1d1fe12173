"""The results of tables that cannot or need not be computed after all."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from msgspec import Struct

from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planning import Plan, PlannedTable
from lakehouse_cli.runner import table_results
from lakehouse_cli.runner.failures import Failures
from lakehouse_cli.runner.jobs import InputError
from lakehouse_cli.runner.run_jobs import RunJobs
from lakehouse_cli.runs.events import TableResult


class Uncomputed(Struct):
    """Makes the results of tables that are not computed.

    Attributes:
        graph: All tables.
        plan: The plan of the run.
        jobs: Of the run, with what came of it so far.
        failures: Makes the results of tables that fail.
        without_input: Makes the result of a table whose input cannot be read; the number is of seconds.
    """

    graph: AssetGraph
    plan: Plan
    jobs: RunJobs
    failures: Failures
    without_input: Callable[[PlannedTable, InputError, float], TableResult]

    def unchanged(self, planned: PlannedTable, note: str | None = None) -> TableResult:
        """The result of a table that stays as it is stored."""
        return table_results.as_it_stands(planned, self.graph.tables[planned.name], note)

    def results(self, members: Sequence[PlannedTable]) -> list[TableResult] | None:
        """The results of tables that one call computes, where it is not called; None where it is."""
        found = {each.name: self._result(each) for each in members}
        if all(found.values()):
            return [each for each in found.values() if each is not None]
        blame = next((each for each in found.values() if each and each.status in table_results.UNUSABLE), None)
        if blame is None:
            return None
        return [found[each.name] or table_results.skipped(each, blame, together=True) for each in members]

    def _result(self, planned: PlannedTable) -> TableResult | None:
        if planned.is_validated:
            return table_results.not_validated(planned)
        if planned.action != "run":
            return None if self.jobs.due_checks(planned) else self.unchanged(planned)
        for name in planned.inputs:
            if self.jobs.is_unusable(name):
                return table_results.skipped(planned, self.jobs.results[name])
            if name in self.plan.unfit:
                return table_results.without_fit_input(planned, name, self.plan.unfit[name])
            if name in self.plan.out_of_reach:
                return self.without_input(planned, InputError(name, self.plan.out_of_reach[name]), 0.0)
        if planned.refused is not None:
            return self.failures.of_table(planned, planned.refused, seconds=0.0, attempts=0)
        if planned.conditional and self.jobs.contents.came_out_the_same(planned):
            return self.unchanged(self.jobs.with_standing(planned), "inputs came out the same")
        return None
