"""The jobs of a run, each from what the plan and the run know by then; and the checks that are due on stored data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.model import Table
from lakehouse_cli.model.dimension import Every
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planned import Plan, PlannedTable
from lakehouse_cli.runner import table_results
from lakehouse_cli.runner.contents import Contents
from lakehouse_cli.runner.jobs import Job, JobChecks
from lakehouse_cli.runner.partition_columns import ColumnsOfPartitions
from lakehouse_cli.runs.events import TableResult

if TYPE_CHECKING:
    from lakehouse_cli.plan.partitioning import Link
    from lakehouse_cli.plan.standing_checks import Standing


class RunJobs(Struct, dict=True):
    """Makes the jobs of a run.

    Attributes:
        graph: All tables.
        elsewhere: The inputs that are read from another environment, as they are declared there.
        codes: Hashes of the code of functions in checks, by table and check.
        plan: The plan.
        contents: What is stored of each table by now.
        results: Of the tables that ended, by name; added to by the run.
        run_id: The run's.
        now: When it began.
        publish: Whether results are stored.
        keeps_rows: Whether all rows that break contracts are kept.
        at_once: How many tables the plan lets be computed at once; they share the cores, where workers are more.
    """

    graph: AssetGraph
    elsewhere: Mapping[str, Table]
    codes: Mapping[str, Mapping[str, str]]
    plan: Plan
    contents: Contents
    results: Mapping[str, TableResult]
    run_id: str
    now: datetime
    publish: bool
    keeps_rows: bool
    at_once: int

    @cached_property
    def columns(self) -> ColumnsOfPartitions:
        """Of partitions."""
        return ColumnsOfPartitions(self.graph, self.plan.found if self.publish else None)

    def stored(self, planned: PlannedTable, manifest: Manifest) -> tuple[str, ...]:
        """Take note of a table that was stored; returns remarks on its inputs."""
        table, notes = self.graph.tables[planned.name], self.contents.note_changes(planned, manifest)
        self.contents.record_materialized(table, planned, manifest)
        self.columns.take(table, manifest)
        return notes

    def of(self, planned: PlannedTable, workers: int) -> Job:
        """The job of a table that is computed, or whose stored data are checked.

        Args:
            planned: The table.
            workers: How many tables may be computed at once on one machine.
        """
        table = self.elsewhere.get(planned.name) or self.graph.tables[planned.name]
        computes = planned.action == "run"
        checks = None
        if table.contract.checks or planned.is_validated:
            checks = self._checks(planned) if computes else self._checks_of_stored(planned)
        # Each as it is declared where it is read from.
        tables = {name: self.elsewhere.get(name) or self.graph.tables[name] for name in planned.inputs}
        return Job(
            table,
            self.graph.inputs[planned.name] if computes else (),
            tables if computes else {},
            self.plan.project,
            self.run_id,
            planned.recipe,
            self.contents.of_inputs(planned) if computes else {},
            planned.state.version if computes and planned.state is not None else None,
            forced=any(reason.code == "forced" for reason in planned.reasons),
            publish=self.publish,
            used=planned.used,
            workers=max(1, min(workers, self.at_once)),
            run_started=self.now,
            checks=checks,
            recorded=planned.recorded,
            periods={name: self._every(name) for name in (*table.partitions, *_of_objects(tables.values()))},
            within=planned.within,
            beside=self.columns.beside(table) if computes else None,
            environment=self.plan.environment if self.keeps_rows else None,
        )

    def _every(self, dimension: str) -> Every | None:
        found = self.plan.dimensions.get(dimension)
        return None if found is None else found.every

    def is_unusable(self, name: str) -> bool:
        """Whether a table ended in a way that nothing can be computed from it."""
        return name in self.results and self.results[name].status in table_results.UNUSABLE

    def calls(self, members: Sequence[PlannedTable]) -> Iterator[Sequence[PlannedTable]]:
        """The work on tables that one call computes: that call, or where it is not needed after all, each by itself.

        Then those whose checks must be judged all the same come with the action ``check``.
        """
        due = set[str]()
        if any(self.graph.tables[each.name].contract.checks for each in members) and all(map(self._stays, members)):
            due = {each.name for each in members if self.due_checks(each)}
        if not due:
            yield members
            return
        for each in members:
            yield [replace(each, action="check", reasons=()) if each.name in due else each]

    def _stays(self, planned: PlannedTable) -> bool:
        return (
            planned.action == "run"
            and planned.conditional
            and planned.refused is None
            and not any(map(self.is_unusable, (*planned.inputs, *planned.needs)))
            and self.contents.came_out_the_same(planned)
        )

    def with_standing(self, planned: PlannedTable) -> PlannedTable:
        """A table that is not computed after all, with how its checks stand."""
        standing = self._standing(planned)
        if not standing:
            return planned
        from lakehouse_cli.plan.standing_checks import standing_results

        return replace(planned, checks=standing_results(standing, self.now))

    def due_checks(self, planned: PlannedTable) -> list[str]:
        """The checks that are to be judged on what is stored of a table, by what is stored of others by now."""
        table = self.graph.tables[planned.name]
        if planned.is_judged or planned.is_validated:
            return [check.name for check in table.contract.checks]
        standing = self._standing(planned)
        if not standing:
            return []
        from lakehouse_cli.plan.standing_checks import due_checks

        names = self.graph.references(planned.name)
        unusable = dict(self._unusable(names))
        known = (name for name in names if name not in unusable or self._is_partly_unpublished(name))
        contents = self.contents.hashes_of(known)
        return [check.name for check, _ in due_checks(standing, table, contents)]

    def _checks(self, planned: PlannedTable) -> JobChecks:
        """What the checks of a table are judged with."""
        manifest = _manifest(planned)
        names = self.graph.references(planned.name)
        references = {name: self.elsewhere.get(name) or self.graph.tables[name] for name in names}
        unusable = dict(self._unusable(names, validates=planned.is_validated))
        found = self.contents.of_tables(name for name in names if name not in unusable)
        before = None if manifest is None else manifest.row_count
        if planned.state is not None and planned.state.judged is not None:
            before = planned.state.judged.rows_before(planned.state.content)
        codes = self.codes.get(planned.name, {})
        return JobChecks(references, found, unusable, before, codes, counted=self._counted(planned.name, references))

    def _counted(self, name: str, references: Mapping[str, Table]) -> dict[str, Link]:
        """How the partitions of tables that checks look at make up those of a table."""
        table = self.graph.tables[name]
        if not table.partitions or not references:
            return {}
        from lakehouse_cli.plan.partitioning import counted_link  # seldom needed

        links = {each: counted_link(table, other, self.plan.dimensions) for each, other in references.items()}
        return {each: link for each, link in links.items() if link is not None}

    def _checks_of_stored(self, planned: PlannedTable) -> JobChecks:
        """The same, of those that are due on what is stored."""
        from lakehouse_cli.plan.standing_checks import standing_results

        standing = self._standing(planned)
        # As they are called and limited now.
        results = {each.name: each for each in standing_results(standing, self.now)}
        due = tuple(self.due_checks(planned))
        earlier = {
            check.name: replace(record, result=results[check.name])
            for check, record in standing
            if record is not None and check.name not in due
        }
        checks = self._checks(planned)
        if planned.kind == "computed":
            before = next((r.state["before"] for _, r in standing if r is not None and "before" in r.state), None)
            checks = replace(checks, before=None if before is None else int(before))
        return replace(
            checks,
            only=due,
            standing=earlier,
            manifest=_manifest(planned),
            validates=planned.is_validated or planned.is_judged,
        )

    def _standing(self, planned: PlannedTable) -> list[Standing]:
        table, manifest = self.graph.tables[planned.name], _manifest(planned)
        if manifest is None or not table.contract.checks:
            return []
        from lakehouse_cli.plan.standing_checks import standing_checks  # not loaded where no table has checks

        return standing_checks(table, manifest.checks, self.codes.get(planned.name, {}))

    def _unusable(self, names: Iterable[str], *, validates: bool = False) -> Iterator[tuple[str, str]]:
        """Of tables that checks look at, those that cannot be in this run, with why.

        Args:
            names: The tables.
            validates: Whether what is stored is judged, whatever it is worth.
        """
        for name in names:
            if name in self.plan.misread:
                yield name, f"cannot be read: {self.plan.misread[name]}"
            elif self.is_unusable(name) and not validates:
                status = self.results[name].status
                yield name, "failed" if status == "failed" else f"was {status.replace('_', ' ')}"
            elif self._is_to_come(name) and not validates:
                yield name, "is computed after it"
            elif self._is_partly_unpublished(name):
                yield name, "comes out different, and is not stored yet"

    def _is_partly_unpublished(self, name: str) -> bool:
        """Whether partitions of a table came out different and are stored nowhere, so that nobody can read it whole."""
        return self.contents.unpublished_part([name]) is not None

    def looks_ahead(self, name: str) -> bool:
        """Whether checks of a table look at one that is computed in this run and has not been yet."""
        return any(map(self._is_to_come, self.graph.references(name)))

    def _is_to_come(self, name: str) -> bool:
        return self.contents.is_to_come(name, self.results)


def _of_objects(inputs: Iterable[Table]) -> Iterator[str]:
    """The dimensions of inputs that are no tables, whose values tell what is of which partition."""
    for each in inputs:
        if each.serializer and each.is_many_units:
            yield from each.partitions


def _manifest(planned: PlannedTable) -> Manifest | None:
    return planned.state.manifest if planned.state is not None else None
