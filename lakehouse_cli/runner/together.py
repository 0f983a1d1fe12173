"""The results of a run that are published at its end, all or none: what waits, and the storages that keep it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from time import perf_counter

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model.check import CheckRecord
from lakehouse_cli.model.manifest import Manifest
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planned import PlannedTable
from lakehouse_cli.runner import table_results
from lakehouse_cli.runner.failures import Failures
from lakehouse_cli.runner.jobs import Outcome
from lakehouse_cli.runs.events import Cancellation, TableResult
from lakehouse_cli.runs.temporary_files import spill_folder, spilling
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.capabilities import in_use


class Waiting(Struct, frozen=True):
    """A table that was computed and passed.

    Attributes:
        planned: The table.
        outcome: Its result.
        seconds: From its start.
        attempts: How many were begun.
    """

    planned: PlannedTable
    outcome: Outcome
    seconds: float
    attempts: int

    @property
    def as_stored(self) -> PlannedTable:
        """The table as if its result were stored, so that checks can be judged on that."""
        state = self.planned.state and replace(self.planned.state, manifest=self.outcome.manifest)
        return replace(self.planned, action="check", reasons=(), state=state)


class Together:
    """Keeps results until all of the run have passed.

    Args:
        folder: Of the run; goes with it, however it ends.
        graph: All tables.
        storages: Where the results will be stored.

    Attributes:
        folder: As given.
        waiting: The tables that were computed and passed, in this order.
    """

    def __init__(self, folder: str, graph: AssetGraph, storages: Mapping[str, AssetStorage]) -> None:
        self.folder = folder
        self.waiting: dict[str, Waiting] = {}
        self._graph = graph
        self._storages = storages
        self._checked: list[str] = []
        self._published: dict[str, Manifest] = {}
        self._hashes: dict[str, str] = {}

    def staging_storages(self) -> Mapping[str, AssetStorage]:
        """The storages, as the work on tables sees them."""
        from lakehouse_cli.storage.staging import StagingStorage  # of such runs alone

        return {name: StagingStorage(each, self.folder) for name, each in self._storages.items()}

    def add(self, planned: PlannedTable, outcome: Outcome, seconds: float, attempts: int) -> None:
        """Take note of a table that passed."""
        self.waiting[planned.name] = Waiting(planned, outcome, seconds, attempts)

    def add_judged(self, name: str, checks: tuple[CheckRecord, ...]) -> bool:
        """Take note of checks that passed on stored data, or on a result that waits; returns whether it is that."""
        if name not in self.waiting:
            self._checked.append(name)
            return False
        waiting = self.waiting[name]
        self.waiting[name] = replace(waiting, outcome=replace(waiting.outcome, checks=checks))
        return True

    def publish(self, failures: Failures, end: Callable[[TableResult], None]) -> TableResult | None:
        """Store what waits, one after the other, up to what cannot be stored, whose result is returned.

        Args:
            failures: Makes that result.
            end: Called with the result of each table.
        """
        used = dict.fromkeys(each.planned.storage for each in self.waiting.values())
        with in_use(self._storages[name] for name in used):
            for each in self._in_order():
                since = perf_counter()
                try:
                    manifest = self._publish(each.planned.name)
                except LakehouseError as error:
                    del self.waiting[each.planned.name]
                    failed = failures.of_table(each.planned, error, each.seconds, each.attempts)
                    end(failed)
                    return failed
                del self.waiting[each.planned.name]
                outcome = replace(each.outcome, manifest=manifest)
                seconds = each.seconds + perf_counter() - since
                end(table_results.materialized(each.planned, outcome, seconds, each.attempts))
            for name in self._checked:
                self._publish(name)
        return None

    def hold_back(
        self, blame: TableResult | None, cancelled_by: Cancellation | None, end: Callable[[TableResult], None]
    ) -> None:
        """Give up what still waits.

        Args:
            blame: The result of a table for which it is; None where there is none.
            cancelled_by: How the run was cancelled; None where it was not.
            end: Called with the result of each table.
        """
        why = f"the run was {cancelled_by}"
        if blame is not None and cancelled_by is None:
            why = f"`{blame.name}` {'failed' if blame.status == 'failed' else f'was {blame.status}'}"
        for each in self.waiting.values():
            end(table_results.held_back(each.planned, each.outcome, each.seconds, each.attempts, why))

    def _in_order(self) -> list[Waiting]:
        """What waits, inputs first, and rows that were put aside right behind their table."""
        tables = {name: self._graph.tables[name] for name in self.waiting}
        aside = {table.quarantine_of: name for name, table in tables.items() if table.quarantine_of}
        together = ((table.quarantine_of, name, aside.get(name)) for name, table in tables.items())
        names = dict.fromkeys(each for some in together for each in some if each in tables)
        return [self.waiting[name] for name in names]

    def _publish(self, name: str) -> Manifest | None:
        from lakehouse_cli.storage.staging import publish_staged

        table = self._graph.tables[name]
        storage = self._storages[table.storage]
        manifest = publish_staged(storage, self.folder, table, self._published, self._hashes)
        if manifest is not None:
            self._published[name] = manifest
        return manifest


@contextmanager
def together(graph: AssetGraph, storages: Mapping[str, AssetStorage], *, is_needed: bool) -> Iterator[Together | None]:
    """Make the folder in which results wait, removed at the end; None where each is published by itself.

    Raises:
        StorageError: It cannot be made.
    """
    if not is_needed:
        yield None
        return
    with ExitStack() as stack:
        with spilling("the results that wait to be published together"):
            folder = stack.enter_context(spill_folder())
        yield Together(folder, graph, storages)
