"""Inputs that are not there in one environment, read from another: never written there.

Whoever works on one table needs not compute, or copy, all that it is computed from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.model import Table
from lakehouse_cli.model.table_state import TableState
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.read_only import ReadOnlyStorage
from lakehouse_cli.stored import StoredEnvironment, StoredTables, with_another_content


class Deferral(Struct, frozen=True, dict=True):
    """Another environment of the same project, in which inputs may be found.

    Attributes:
        there: Its tables and storages.
    """

    there: StoredEnvironment

    @property
    def environment(self) -> str:
        """Its name."""
        return self.there.environment

    @cached_property
    def storages(self) -> Mapping[str, AssetStorage]:
        """Its storages, to be read from, by names that no storage of another environment has."""
        return {self._named(n): ReadOnlyStorage(each, self.environment) for n, each in self.there.storages.items()}

    @cached_property
    def tables(self) -> Mapping[str, Table]:
        """Its tables, which live in `storages`."""
        return {name: replace(table, storage=self._named(table.storage)) for name, table in self.there.tables.items()}

    def _named(self, storage: str) -> str:
        return f"{self.environment}:{storage}"

    @cached_property
    def _stored(self) -> StoredTables:
        specs = {self._named(name): spec for name, spec in self.there.specs.items()}
        return StoredTables(self.tables, self.storages, specs, self.there.graph, self.environment)

    def count(self, names: Sequence[str]) -> dict[str, int]:
        """How many rows are stored of tables there; those of which it cannot be told are left out."""
        return self._stored.count(names)

    def states(self, names: Iterable[str]) -> dict[str, TableState]:
        """What is stored of tables there, or why it cannot be told; those of which nothing is are left out."""
        names = tuple(names)
        self._stored.look(names)
        found = {name: self._stored.state(name) for name in names}
        there = {name: state for name, state in found.items() if state.exists or state.trouble is not None}
        return {name: replace(state, environment=self.environment) for name, state in there.items()}


def states_with(
    deferral: Deferral | None, states: Mapping[str, TableState], computed_here: Iterable[str]
) -> Mapping[str, TableState]:
    """The states of tables, those taken from another environment that are not here and are not computed here either.

    Args:
        deferral: Where to look; None for nowhere.
        states: What is stored here, by table.
        computed_here: The selected tables that are computed.
    """
    if deferral is None:
        return states
    here = set(computed_here)
    lacking = [name for name, s in states.items() if name not in here and not s.exists and s.trouble is None]
    return {**states, **deferral.states(lacking)}


def states_with_rows(
    deferral: Deferral | None, here: StoredTables, states: Mapping[str, TableState], computed_here: Collection[str]
) -> Mapping[str, TableState]:
    """The states of tables, with the rows counted of those inputs whose content changed.

    Args:
        deferral: Where some of the inputs are; None for nowhere.
        here: What is stored here.
        states: What is stored, by table.
        computed_here: The selected tables that are computed.
    """
    changed = with_another_content(states, here.graph, computed_here)
    if not changed:
        return states
    there = [name for name in changed if states[name].environment is not None]
    counts = here.count([name for name in changed if states[name].environment is None])
    if deferral is not None and there:
        counts |= deferral.count(there)
    return {name: _with_rows(state, counts[name]) if name in counts else state for name, state in states.items()}


def _with_rows(state: TableState, rows: int) -> TableState:
    return state if state.content is None else replace(state, content=state.content._replace(rows=rows))
