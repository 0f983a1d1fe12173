"""Preparations before the first table of a run: leftovers, modules, frame types of inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from lakehouse_cli.code.importing import forget
from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.model import FunctionRef, Table
from lakehouse_cli.model.frame_names import QUERY
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.partition_keys import across_partitions
from lakehouse_cli.model.unit import table_of
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.planned import Plan
from lakehouse_cli.runner.entry import WorkerSetup
from lakehouse_cli.runs.temporary_files import remove_abandoned
from lakehouse_cli.storage import capabilities
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.partition_capability import claim


def remove_leftovers(plan: Plan, graph: AssetGraph, storages: Mapping[str, AssetStorage]) -> None:
    """Remove leftovers of killed runs: what they spilled, and what is beside the tables about to be written."""
    remove_abandoned()
    by_storage: dict[str, list[Table]] = {}
    for planned in plan.runs:
        if planned.refused is None:
            by_storage.setdefault(planned.storage, []).append(graph.tables[planned.name])
    for name, tables in by_storage.items():
        capabilities.remove_leftovers(storages[name], tables)


def claim_partitions(
    plan: Plan, graph: AssetGraph, storages: Mapping[str, AssetStorage], run_id: str, now: datetime
) -> None:
    """Announce the partitions that a run is about to store, to storages that are in use.

    What cannot be announced is found again where it is stored.
    """
    by_storage: dict[str, list[Table]] = {}
    for planned in plan.runs:
        table = graph.tables[planned.name]
        if table.partition is None or planned.refused is not None or planned.drops:
            continue
        with suppress(LakehouseError):
            capabilities.check_replaceable(storages[table.storage], table, forced=False)
            by_storage.setdefault(planned.storage, []).append(table)
    for name, tables in by_storage.items():
        with suppress(LakehouseError):
            claim(storages[name], tables, run_id, now.isoformat(timespec="milliseconds"))


@contextmanager
def replacing_announced(
    plan: Plan, graph: AssetGraph, storages: Mapping[str, AssetStorage], run_id: str | None
) -> Iterator[None]:
    """Say for as long as a run goes on which stored partitions it replaces, of tables with keys across partitions.

    Where that cannot be said, keys are judged as though these stayed.
    """
    replaced: dict[str, tuple[Table, list[Partition]]] = {}
    for planned in plan.runs:
        table = graph.tables[planned.name]
        is_stored = planned.state is not None and planned.state.content is not None
        if table.partition is not None and is_stored and planned.refused is None and across_partitions(table):
            of = table_of(table)
            replaced.setdefault(of.name, (of, []))[1].append(table.partition)
    if run_id is None or not replaced:  # nothing is stored, or there is nothing to replace
        yield
        return
    from lakehouse_cli.runner.stored_keys import announce_replaced, forget_replaced  # seldom needed

    for table, some in replaced.values():
        with suppress(LakehouseError):
            announce_replaced(storages[table.storage], table, run_id, some)
    try:
        yield
    finally:
        for table, _ in replaced.values():
            with suppress(LakehouseError):
                forget_replaced(storages[table.storage], table)


def import_anew(plan: Plan, graph: AssetGraph, folder: Path) -> None:
    """Forget imported modules of the project if a table is out of date that depends on more than inputs and code.

    A module may have read a file or a variable as it was imported, for an earlier run of this process.
    """
    tables = (graph.tables[planned.name] for planned in plan.runs)
    if any(table.uses is not None or table.refresh is not None for table in tables):
        forget(folder)


def modules_of(plan: Plan, graph: AssetGraph) -> tuple[FunctionRef, ...]:
    """Select one transform of each module that the run loads."""
    functions = (graph.tables[planned.name].function for planned in plan.runs)
    return tuple({function.module: function for function in functions if function is not None}.values())


def frame_types(plan: Plan, graph: AssetGraph, folder: Path, *, publish: bool) -> dict[str, set[str]]:
    """Collect, by table, the frame types that the run's transforms take it as; empty if its Arrow data are needed.

    They are where a frame type is unknown, and where checks look at what is stored nowhere. Imports the transforms
    before the first of them is timed. One that fails is reported when its table's turn comes.
    """
    from lakehouse_cli.transforms import load_transform

    wanted: dict[str, set[str]] = {}
    unknown = set() if publish else {name for planned in plan.due for name in graph.references(planned.name)}
    for planned in plan.runs:
        table = graph.tables[planned.name]
        function = table.function
        if function is None:
            for name in planned.inputs:
                wanted.setdefault(name, set()).add(QUERY)
            continue
        try:
            transform = load_transform(function, folder, of_table=table.returns_table)
        except LakehouseError:
            unknown.update(planned.inputs)
            continue
        edges = graph.inputs[planned.name]
        for edge, parameter in zip(edges, transform.parameters_of(edges), strict=True):
            if graph.tables[edge.table].serializer:
                continue
            try:
                wanted.setdefault(edge.table, set()).add(parameter.frame_type.name if parameter else "")
                if edge.parameter in planned.within:  # rows of it are taken, for which it stays as it was read
                    unknown.add(edge.table)
            except LakehouseError:
                unknown.add(edge.table)
    return {name: set() if name in unknown else types for name, types in wanted.items()}


def prepare_of(setup: WorkerSetup, plan: Plan, graph: AssetGraph, elsewhere: Mapping[str, Table]) -> Callable[[], None]:
    """What prepares the processes of a run, be they on other machines."""
    if not setup.is_cluster:
        return setup
    from lakehouse_cli.runner.cluster_setup import ClusterNeeds, ToCluster  # of such runs alone

    return ToCluster(setup, ClusterNeeds.of(plan, graph, elsewhere))


def readers_by_table(plan: Plan, graph: AssetGraph, *, publish: bool) -> Counter[str]:
    """Count, by table, what reads it in this process: transforms, and where nothing is stored, checks as well."""
    read = Counter(
        name
        for planned in plan.runs
        if not (publish and graph.tables[planned.name].runs_in_storage)  # the database has what it reads
        for name in planned.inputs
    )
    if not publish:
        read.update(name for planned in plan.due for name in graph.references(planned.name))
    return read


def streaming_types(wanted: Mapping[str, set[str]]) -> frozenset[str]:
    """Those of the frame types wanted that take a table piece by piece."""
    names = set().union(*wanted.values()) - {"", QUERY}
    if not names:
        return frozenset()
    from lakehouse_cli.transforms.frames import frame_type  # slow to load; a run in other processes has no need of it

    return frozenset(name for name in names if frame_type(name).streams)
