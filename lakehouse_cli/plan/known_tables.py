"""What a plan knows of all tables when it comes to the partitions of one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from msgspec import Struct

from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.plan.domains import Domain
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.plan.partitioning import Link
from lakehouse_cli.plan.units import Found, Narrowing, StoredPartitions


class Known(Struct, frozen=True):
    """What a plan knows of all tables when it comes to one of them.

    Attributes:
        graph: All tables.
        links: What the partitions of tables get of each input, by table.
        stored: What is stored of them by partition.
        states: What is stored of tables as a whole.
        domains: By dimension.
        narrowing: What the user narrows the plan to.
        force: Whether the user asked to run what is up to date.
        found: The partitions of the tables that were planned.
        as_stored: Gives those of a table that was not.
        running: Tables that run.
        failing: Why tables would fail.
        waiting: Why tables wait.
    """

    graph: AssetGraph
    links: Mapping[str, tuple[Link | None, ...]]
    stored: Mapping[str, StoredPartitions]
    states: Mapping[str, TableState]
    domains: Mapping[str, Domain]
    narrowing: Narrowing
    force: bool
    found: dict[str, Found]
    as_stored: Callable[[str], Found]
    running: Collection[str]
    failing: Mapping[str, str]
    waiting: Mapping[str, str]
