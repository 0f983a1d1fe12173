"""The results of a run that are published at its end, all or none: what waits, and the storages that keep it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import groupby
from time import perf_counter

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model.check import CheckRecord
from lakehouse_cli.model.manifest import InputRecord, Manifest
from lakehouse_cli.model.unit import table_of
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planned import PlannedTable
from lakehouse_cli.runner import table_results
from lakehouse_cli.runner.contents import Contents
from lakehouse_cli.runner.failures import Failures
from lakehouse_cli.runner.jobs import Outcome
from lakehouse_cli.runs.events import Cancellation, TableResult
from lakehouse_cli.runs.temporary_files import spill_folder, spilling
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.capabilities import in_use
from lakehouse_cli.storage.partition_capability import StoresAnew, claim, partitions, storing_anew


class Waiting(Struct, frozen=True):
    """A table that was computed and passed, or a partition that is to be removed.

    Attributes:
        planned: The table.
        outcome: Its result; without a manifest where it is to be removed.
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


class _Storing(Struct):
    """What was stored of the results that waited for one storage.

    Attributes:
        storage: The storage.
        done: Each with its manifest, and the seconds that it took in all.
        failed: What could not be stored, and why.
    """

    storage: AssetStorage
    done: list[tuple[Waiting, Manifest | None, float]] = []
    failed: tuple[Waiting, LakehouseError] | None = None


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
        self._checked: list[PlannedTable] = []
        self._hashes: dict[str, str] = {}

    def staging_storages(self) -> Mapping[str, AssetStorage]:
        """The storages, as the work on tables sees them."""
        from lakehouse_cli.storage.staging import staging  # of such runs alone

        return {name: staging(each, self.folder) for name, each in self._storages.items()}

    def add(self, planned: PlannedTable, outcome: Outcome, seconds: float, attempts: int) -> None:
        """Take note of a table that passed; its rows are kept elsewhere."""
        self.waiting[planned.name] = Waiting(planned, replace(outcome, failed=None), seconds, attempts)

    def add_judged(self, planned: PlannedTable, checks: tuple[CheckRecord, ...]) -> bool:
        """Take note of checks that passed on stored data, or on a result that waits; returns whether it is that."""
        name = planned.name
        if name not in self.waiting:
            self._checked.append(planned)
            return False
        waiting = self.waiting[name]
        self.waiting[name] = replace(waiting, outcome=replace(waiting.outcome, checks=checks))
        return True

    def add_dropped(self, planned: PlannedTable, result: TableResult) -> bool:
        """Take note of a partition that is to be removed; returns whether it is that."""
        if result.status != "dropped":
            return False
        self.waiting[planned.name] = Waiting(planned, Outcome(None, None, ()), 0.0, 0)
        return True

    @property
    def judged_again(self) -> list[PlannedTable]:
        """The tables whose checks may look at what was computed after them."""
        return [each.as_stored for each in self.waiting.values() if each.outcome.manifest is not None]

    def publish(self, contents: Contents, failures: Failures, end: Callable[[TableResult], None]) -> TableResult | None:
        """Store what waits, one after the other, up to what cannot be stored, whose result is returned.

        Args:
            contents: What is stored of each table, where what waits is.
            failures: Makes that result.
            end: Called with the result of each table.

        """
        waiting = contents.copy()
        for name, group in groupby(self._in_order(), lambda each: each.planned.storage):
            storing = _Storing(self._storages[name])
            try:
                self._store(storing, list(group), partial(self._publish, waiting=waiting, stored=contents))
            finally:
                for each, manifest, seconds in storing.done:
                    del self.waiting[each.planned.name]
                    end(_published(each, manifest, seconds))
            if storing.failed is not None:
                each, error = storing.failed
                del self.waiting[each.planned.name]
                failed = failures.of_table(each.planned, error, each.seconds, each.attempts)
                end(failed)
                return failed
        for planned in self._checked:
            self._publish(planned, waiting, contents)
        return None

    def _store(
        self, storing: _Storing, some: Sequence[Waiting], publish: Callable[[PlannedTable], Manifest | None]
    ) -> None:
        """Store what waits for one storage, up to what cannot be."""
        try:
            with in_use([storing.storage]):
                self._claim(storing.storage, some)
                for group in self._groups(storing.storage, some):
                    units = [self._graph.tables[each.planned.name] for each in group] if len(group) > 1 else []
                    with storing_anew(storing.storage, units):
                        for each in group:
                            since = perf_counter()
                            try:
                                manifest = publish(each.planned)
                            except LakehouseError as error:
                                storing.failed = each, error
                                raise
                            storing.done.append((each, manifest, each.seconds + perf_counter() - since))
        except LakehouseError as error:  # partitions are recorded, or committed, many at once and at the end
            left = [done for done in storing.done if not self._is_stored(storing.storage, *done[:2])]
            storing.done = [done for done in storing.done if done not in left]
            storing.failed = storing.failed or (left[0][0] if left else some[-1], error)

    def _groups(self, storage: AssetStorage, some: Sequence[Waiting]) -> Iterator[Sequence[Waiting]]:
        """What is stored at once: the partitions of a table of which some column has another type; the rest singly."""
        by_table: dict[str, list[Waiting]] = {}
        for each in some:
            table = table_of(self._graph.tables[each.planned.name])
            by_table.setdefault(table.quarantine_of or table.name, []).append(each)
        for group in by_table.values():
            if not self._has_other_types(storage, group):
                yield from ([each] for each in group)
                continue
            yield from ([each] for each in group if each.outcome.manifest is None)
            yield [each for each in group if each.outcome.manifest is not None]

    def _has_other_types(self, storage: AssetStorage, group: Sequence[Waiting]) -> bool:
        units = [self._graph.tables[each.planned.name] for each in group]
        table = next((table_of(each) for each in units if each.partition and not each.quarantine_of), None)
        if table is None or storage.capability(StoresAnew) is None:
            return False
        shared = {id(each.shared): each.shared for each in partitions(storage, table).values()}
        manifests = [each.outcome.manifest for each in group if each.planned.name.startswith(f"{table.name}/")]
        now = {name: kind for each in manifests if each is not None for name, kind in each.columns}
        return any(now.get(name, kind) != kind for each in shared.values() for name, kind in each.columns)

    def _is_stored(self, storage: AssetStorage, each: Waiting, manifest: Manifest | None) -> bool:
        with suppress(LakehouseError):
            found = storage.read_manifest(self._graph.tables[each.planned.name])
            return found == manifest or (found is not None and manifest is not None and found.run_id == manifest.run_id)
        return False

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
        """What waits, table by table, inputs first, and rows that were put aside right behind their table."""
        tables = {name: self._graph.tables[name] for name in self.waiting}
        aside = {table.quarantine_of: name for name, table in tables.items() if table.quarantine_of}
        together = ((table.quarantine_of, name, aside.get(name)) for name, table in tables.items())
        names = dict.fromkeys(each for some in together for each in some if each in tables)
        place = {name: number for number, name in enumerate(self._graph.order)}
        of = {name: (table.quarantine_of or name).partition("/")[0] for name, table in tables.items()}
        return [self.waiting[name] for name in sorted(names, key=lambda name: place[of[name]])]

    def _claim(self, storage: AssetStorage, some: Iterable[Waiting]) -> None:
        """Announce the partitions that are about to be stored; one that cannot be is found again as it is."""
        manifests = {each.planned.name: each.outcome.manifest for each in some}
        units = [self._graph.tables[name] for name, manifest in manifests.items() if manifest is not None]
        units = [each for each in units if each.partition is not None]
        first = manifests[units[0].name] if units else None
        if first is not None:
            with suppress(LakehouseError):
                claim(storage, units, first.run_id, first.started_at)

    def _publish(self, planned: PlannedTable, waiting: Contents, stored: Contents) -> Manifest | None:
        from lakehouse_cli.storage.staging import publish_staged

        table = self._graph.tables[planned.name]
        inputs = {
            planned.recorded.get(name, name): each for name, each in _stored_since(planned.inputs, waiting, stored)
        }
        references = _stored_since(self._graph.references(planned.name), waiting, stored)
        hashes = self._hashes | {was.content_hash: now.content_hash for _, (was, now) in references}
        passed = self.waiting[planned.name].outcome.manifest if planned.name in self.waiting else None
        content_hash = None if passed is None else passed.content_hash
        manifest = publish_staged(self._storages[table.storage], self.folder, table, inputs, hashes, content_hash)
        if manifest is not None:
            was = waiting.of_tables([planned.name]).get(planned.name)
            stored.record_materialized(table, planned, manifest)
            if was is not None:
                self._hashes[was.content_hash] = manifest.content_hash
        return manifest


def _stored_since(
    names: Iterable[str], waiting: Contents, stored: Contents
) -> list[tuple[str, tuple[InputRecord, InputRecord]]]:
    """The tables that were stored since they waited, what they were then, and what they are stored as."""
    then, now = waiting.of_tables(names), stored.of_tables(names)
    return [(name, (then[name], now[name])) for name in then if name in now and then[name] != now[name]]


def _published(each: Waiting, manifest: Manifest | None, seconds: float) -> TableResult:
    if manifest is None:
        return TableResult(each.planned.name, "dropped", each.planned.reasons, uri=each.planned.uri)
    return table_results.materialized(each.planned, replace(each.outcome, manifest=manifest), seconds, each.attempts)


@contextmanager
def together(
    graph: AssetGraph, storages: Mapping[str, AssetStorage], below: str | None, *, is_needed: bool
) -> Iterator[Together | None]:
    """Make the folder in which results wait, removed at the end; None where each is published by itself.

    Args:
        graph: All tables.
        storages: Where the results will be stored.
        below: Where the folder is made; None for where temporary files are.
        is_needed: Whether results wait at all.

    Raises:
        StorageError: It cannot be made.
    """
    if not is_needed:
        yield None
        return
    with ExitStack() as stack:
        with spilling("the results that wait to be published together", below):
            folder = stack.enter_context(spill_folder(below))
        yield Together(folder, graph, storages)
