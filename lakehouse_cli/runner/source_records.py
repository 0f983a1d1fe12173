"""The sources that a run read, and what it keeps of those whose checks it judged."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from lakehouse_cli.errors import ContractError
from lakehouse_cli.model import Table
from lakehouse_cli.model.check import CheckRecord
from lakehouse_cli.model.judged_source import JudgedSource, rules_of
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planned import PlannedTable
from lakehouse_cli.runner.failures import Failures
from lakehouse_cli.runner.jobs import Outcome, ResultError
from lakehouse_cli.runs.events import TableResult

#: Given a source and what was found of it, None for nothing that counts, keeps that.
KeepSource = Callable[[str, JudgedSource | None], None]


def ignore_source(name: str, found: JudgedSource | None) -> None:
    """Keep nothing of a source."""


def _judged(table: Table, planned: PlannedTable, ended: Any) -> JudgedSource | None:
    """What to keep of a source.

    Args:
        table: The source.
        planned: The same, as it was planned.
        ended: What came of its judgement.

    Returns:
        The record; None where it cannot be read as declared, so that the next run judges it again.
    """
    from lakehouse_cli.plan.standing_checks import blocks

    state = planned.state
    is_judged = isinstance(ended, Outcome | ContractError) and ended.judged is not None
    if not is_judged or state is None or state.content is None:
        return None
    if isinstance(ended, ContractError) and any(each.check in ("null", "key") for each in ended.violations):
        return None
    found: tuple[CheckRecord, ...] = ended.checks
    records = tuple(replace(each, result=replace(each.result, location=None)) for each in found)
    content: InputRecord = ended.judged._replace(reading=state.content.reading)
    results = {each.result.name: each.result for each in records}
    failed = any(blocks(check, results[check.name]) for check in table.contract.checks if check.name in results)
    before = None if state.judged is None else state.judged.rows_before(state.content)
    last = None if state.judged is None else state.judged.passed
    return JudgedSource(content, rules_of(table.contract), records, before, last if failed else content.rows)


class SourcesOfRun:
    """The sources that were read in a run.

    Args:
        graph: All tables.
        failures: Keeps the rows that fail.
        keep: Keeps what was found of sources.

    Attributes:
        read: Their names.
    """

    def __init__(self, graph: AssetGraph, failures: Failures, keep: KeepSource) -> None:
        self.read: set[str] = set()
        self._graph, self._failures, self._keep = graph, failures, keep

    def unreadable(self, asked: Iterable[str], planned: Mapping[str, PlannedTable]) -> Iterator[TableResult]:
        """The results of sources that are missing or not as declared, of those that nothing has read yet."""
        for name in asked:
            uri = planned[name].uri if name in planned else ""
            if name not in self.read and (failed := self._failures.of_unreadable(name, uri)) is not None:
                yield failed

    def ended(self, planned: PlannedTable, ended: Any, known: Collection[str]) -> None:
        """Take note of a table that ended: a source that was judged, or one that read sources.

        Args:
            planned: The table.
            ended: What came of it.
            known: Tables that have a result; of a source, it says by its checks which rows fail.
        """
        table = self._graph.tables[planned.name]
        if planned.kind == "source":
            self.read.add(planned.name)
            elsewhere = planned.state is not None and planned.state.environment is not None
            if table.contract.checks and not elsewhere:
                self._keep(planned.name, _judged(table, planned, ended))
        elif isinstance(ended, Outcome | ResultError | ContractError):  # its inputs could be read
            for each in planned.inputs:
                if self._graph.tables[each].kind == "source" and each not in self.read:
                    self.read.add(each)
                    if each not in known:
                        self._failures.keep_rows(each, None)
