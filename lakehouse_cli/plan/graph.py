"""Which table is computed from which: edges, cycles, and the order."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.errors import Problem
from lakehouse_cli.model import FunctionRef, ProjectSpec, Table
from lakehouse_cli.model.computation import Computation, Input
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.model.quarantine import quarantine_table
from lakehouse_cli.text.name_lists import first_named
from lakehouse_cli.text.python_words import in_words_of


class AssetGraph(Struct, frozen=True, dict=True):
    """The tables of a project and their edges; acyclic.

    Attributes:
        tables: By name.
        inputs: Of each computed table, in the order of its parameters.
        order: All tables, each after its inputs, and after those that its checks look at where that makes no cycle;
            ties in the order of the file.
        after: Of tables whose checks look at others, those that come before them for that.
    """

    tables: Mapping[str, Table]
    inputs: Mapping[str, tuple[Input, ...]]
    order: tuple[str, ...]
    after: Mapping[str, tuple[str, ...]] = {}

    def references(self, name: str) -> tuple[str, ...]:
        """The other tables that the checks of `name` look at, each once."""
        return self.all_references.get(name, ())

    @cached_property
    def all_references(self) -> dict[str, tuple[str, ...]]:
        """The same of all tables whose checks look at others."""
        found = {}
        for name, table in self.tables.items():
            if checks := table.contract.checks:
                others = dict.fromkeys(each.references for each in checks)
                if there := tuple(each for each in others if each is not None and each != name):
                    found[name] = there
        return found

    def upstream(self, name: str) -> tuple[str, ...]:
        """The tables `name` is computed from, each once."""
        return self._upstream.get(name, ())

    @cached_property
    def _upstream(self) -> dict[str, tuple[str, ...]]:
        return {
            name: tuple(
                dict.fromkeys(
                    [each.table for each in edges if each.table != name or not is_past(self.tables[name], each)]
                )
            )
            for name, edges in self.inputs.items()
        }

    @cached_property
    def _downstream(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {name: [] for name in self.tables}
        for name in self.order:
            for upstream in self.upstream(name):
                found[upstream].append(name)
        return found

    def siblings(self, name: str) -> tuple[str, ...]:
        """The tables that one call computes, `name` among them, in the order of the project; `name` alone for most."""
        return self.all_siblings.get(name, (name,))

    @cached_property
    def all_siblings(self) -> dict[str, tuple[str, ...]]:
        """The same of all tables that are not computed alone."""
        results: dict[tuple[FunctionRef | str, Partition | None], list[str]] = {}
        for name, table in self.tables.items():
            if table.selected is not None:
                continue
            if table.quarantine_of in self.tables:
                results[table.quarantine_of, None] = [table.quarantine_of, name]
            if table.output and table.function is not None:
                results.setdefault((table.function, table.partition), []).append(name)
        return {name: tuple(names) for names in results.values() for name in names}

    def ancestors(self, name: str) -> set[str]:
        """All tables that a table is computed from, through others as well."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            new = set(self.upstream(waiting.pop())) - found
            found |= new
            waiting += new
        return found

    def downstream(self, name: str) -> tuple[str, ...]:
        """The tables computed from `name`, in order."""
        return tuple(self._downstream[name])


def is_past(table: Table, edge: Input) -> bool:
    """Whether an input is earlier partitions of the table itself, which is no cycle."""
    options = table.input_options.get(edge.parameter or "") if edge.table == table.name else None
    return options is not None and bool(table.partitions) and any(last < 0 for _, last in options.at.values())


def with_quarantines(spec: ProjectSpec) -> ProjectSpec:
    """The project with the quarantine of each table that has one, right behind it."""
    tables: dict[str, Table] = {}
    for name, table in spec.tables.items():
        tables[name] = table
        if table.quarantine is not None:
            aside = quarantine_table(table)
            tables.setdefault(aside.name, aside)
    return replace(spec, tables=tables) if len(tables) > len(spec.tables) else spec


def build_graph(
    spec: ProjectSpec, computation: Callable[[Table], Computation | None]
) -> tuple[AssetGraph, list[Problem]]:
    """Match the inputs of every table to tables and put the tables in order.

    Args:
        spec: The project.
        computation: Gives the computation of a table; None for a source.

    Returns:
        The graph (without the edges that could not be resolved) and every problem found: what a computation cannot
        be made of, such as functions that are not there, and cycles.
    """
    problems: list[Problem] = []
    inputs: dict[str, tuple[Input, ...]] = {}
    for table in spec.tables.values():
        if table.quarantine_of:  # the same call gives it
            continue
        found = computation(table)
        if found is None:
            continue
        matched = found.inputs(spec.tables)
        problems += [_in_words_of(table, problem) for problem in matched.problems]
        if matched.inputs is not None:
            inputs[table.name] = matched.inputs
            if table.query is not None:
                problems += [_in_words_of(table, each) for each in _no_tables(table, matched.inputs, spec)]
    aside = {name: table.quarantine_of for name, table in spec.tables.items() if table.quarantine_of}
    inputs |= {name: inputs[of] for name, of in aside.items() if of in inputs}
    order, cycles = _order(spec.tables, inputs)
    problems += [_cycle_problem(cycle, spec) for cycle in cycles]
    graph = AssetGraph(spec.tables, inputs, order)
    return graph if cycles else _with_references(graph), problems


def _in_words_of(table: Table, problem: Problem) -> Problem:
    """A problem in the words of the file that declares the table."""
    file = table.location.file if table.location is not None else None
    hint = problem.hint and in_words_of(file, problem.hint)
    return replace(problem, message=in_words_of(file, problem.message), hint=hint)


def _with_references(graph: AssetGraph) -> AssetGraph:
    """The graph with an order in which tables come after those that their checks look at.

    That is an edge of checking alone: where it would make a cycle, it is left out.
    """
    references = graph.all_references.items()
    wanted = [(name, other) for name, others in references for other in others if other in graph.tables]
    if not wanted:
        return graph
    edges = {name: {*graph.upstream(name)} for name in graph.tables}
    for name, table in graph.tables.items():
        if table.quarantine_of:  # there when its table is
            edges[name].add(table.quarantine_of)
    after: dict[str, tuple[str, ...]] = {}
    for name, other in wanted:
        # One call computes them all: none begins before what the checks of one look at has ended.
        siblings = graph.siblings(name)
        together = (name,) if other in siblings else siblings
        if not any(_reaches(edges, other, each) for each in together):
            for each in together:
                edges[each].add(other)
                after[each] = tuple(dict.fromkeys((*after.get(each, ()), other)))
    inputs = {name: tuple([Input(each, None) for each in upstream]) for name, upstream in edges.items()}
    order, _ = _order(graph.tables, inputs)
    return AssetGraph(graph.tables, graph.inputs, order, after)


def _reaches(edges: Mapping[str, Iterable[str]], name: str, wanted: str) -> bool:
    """Whether a table comes after another by some edges."""
    seen, waiting = {name}, [name]
    while waiting:
        for each in edges[waiting.pop()]:
            if each == wanted:
                return True
            if each not in seen:
                seen.add(each)
                waiting.append(each)
    return False


def _no_tables(table: Table, inputs: Iterable[Input], spec: ProjectSpec) -> Iterator[Problem]:
    """The inputs of a query that are no tables."""
    for each in inputs:
        if serializer := spec.tables[each.table].serializer:
            message = f"{table.computed_by} reads `{each.table}`, which is stored as {serializer} and no table"
            place = table.query.location if table.query is not None else table.location
            yield Problem(message, "compute it by a function, which takes any asset", place)


def _order(
    tables: Mapping[str, Table], inputs: Mapping[str, tuple[Input, ...]]
) -> tuple[tuple[str, ...], list[list[str]]]:
    """Kahn's algorithm with ties in file order; and cycles that share no table, each as the path that leads back."""
    position = {name: index for index, name in enumerate(tables)}
    names = list(tables)
    waiting = {
        name: {each.table for each in inputs.get(name, ()) if each.table != name or not is_past(table, each)}
        for name, table in tables.items()
    }
    if _is_order(waiting):
        return tuple(waiting), []
    consumers: dict[str, list[str]] = {name: [] for name in tables}
    for name, upstream in waiting.items():
        for table in upstream:
            consumers[table].append(name)
    missing = {name: len(upstream) for name, upstream in waiting.items()}
    ready = [position[name] for name, count in missing.items() if count == 0]
    heapq.heapify(ready)
    order: list[str] = []
    while ready:
        name = names[heapq.heappop(ready)]
        order.append(name)
        for consumer in consumers[name]:
            missing[consumer] -= 1
            if missing[consumer] == 0:
                heapq.heappush(ready, position[consumer])
    if len(order) == len(tables):
        return tuple(order), []
    stuck = set(tables) - set(order)
    cycles = []
    while (cycle := _cycle(waiting, _on_cycles(waiting, stuck), names)) is not None:
        cycles.append(cycle)
        stuck -= set(cycle)
    return tuple(order), cycles


def _is_order(upstream: Mapping[str, set[str]]) -> bool:
    """Whether each table comes after all that it waits for, as in most files."""
    seen: set[str] = set()
    for name, before in upstream.items():
        if not before <= seen:
            return False
        seen.add(name)
    return True


def _on_cycles(waiting: Mapping[str, Iterable[str]], stuck: set[str]) -> set[str]:
    """The tables that wait for each other, without those that only wait for them."""
    left = set(stuck)
    while True:
        free = {name for name in left if left.isdisjoint(waiting[name])}
        if not free:
            return left
        left -= free


def _cycle(waiting: Mapping[str, Iterable[str]], stuck: set[str], names: list[str]) -> list[str] | None:
    """One cycle among tables that wait for each other, along the direction of the data; None where none do."""
    if not stuck:
        return None
    name = next(name for name in names if name in stuck)
    walked: list[str] = []
    while name not in walked:
        walked.append(name)
        name = min((u for u in waiting[name] if u in stuck), key=names.index)
    cycle = walked[walked.index(name) :]
    cycle.reverse()
    first = cycle.index(min(cycle, key=names.index))
    cycle = cycle[first:] + cycle[:first]
    return [*cycle, cycle[0]]


def _cycle_problem(cycle: list[str], spec: ProjectSpec) -> Problem:
    path = " → ".join(f"`{name}`" for name in cycle)
    if len(cycle) == 2:
        message, hint = f"table {path.split(' → ')[0]} is its own input", "a table cannot depend on itself"
    else:
        message, hint = f"tables form a cycle: {path}", "one of these transforms must do without one of its inputs"
    return Problem(message, hint, spec.tables[cycle[0]].where("inputs", "function"))


def sources_alone(graph: AssetGraph, names: Sequence[str]) -> tuple[str, ...]:
    """The note on a selection in which nothing is computed: what to do next."""
    if not names or any(graph.tables[name].kind == "computed" for name in names):
        return ()
    if any(table.kind == "computed" for table in graph.tables.values()):
        are, them = ("is a source", "it") if len(names) == 1 else ("are sources", "them")
        what = f"{first_named(names, 3)} {are}, which nothing computes: `lakehouse check` validates {them}"
        return (f"{what}; `lakehouse run {names[0]}+` computes what follows",)
    return ("no table is computed: declare one with `function` or `sql`; `lakehouse check` validates the sources",)
