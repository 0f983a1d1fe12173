"""Which table is computed from which: edges read off the transforms' parameters, cycles, and the order."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from functools import cached_property

from msgspec import Struct

from lakehouse_cli.counts import plural
from lakehouse_cli.errors import Location, Problem, did_you_mean
from lakehouse_cli.model import FunctionRef, ProjectSpec, Table
from lakehouse_cli.source_code import FunctionSource, Parameter, SourceError, SourceReader


class Input(Struct, frozen=True):
    """One input of a transform.

    Attributes:
        table: The table handed in.
        parameter: The parameter that takes it; None where it goes into ``*args``.
        positional: Whether it must be passed by position.
    """

    table: str
    parameter: str | None
    positional: bool = False


class AssetGraph(Struct, frozen=True, dict=True):
    """The tables of a project and their edges; acyclic.

    Attributes:
        tables: By name.
        inputs: Of each computed table, in the order of its parameters.
        order: All tables, each after its inputs; ties in the order of the file.
    """

    tables: Mapping[str, Table]
    inputs: Mapping[str, tuple[Input, ...]]
    order: tuple[str, ...]

    def upstream(self, name: str) -> tuple[str, ...]:
        """The tables `name` is computed from, each once."""
        return self._upstream.get(name, ())

    @cached_property
    def _upstream(self) -> dict[str, tuple[str, ...]]:
        return {name: tuple(dict.fromkeys(edge.table for edge in edges)) for name, edges in self.inputs.items()}

    @cached_property
    def _downstream(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {name: [] for name in self.tables}
        for name in self.order:
            for upstream in self.upstream(name):
                found[upstream].append(name)
        return found

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


def build_graph(spec: ProjectSpec, code: SourceReader) -> tuple[AssetGraph, list[Problem]]:
    """Match every transform's parameters to tables and put the tables in order.

    Returns:
        The graph (without the edges that could not be resolved) and every problem found: modules and functions
        that are not there, parameters that match no table, cycles.
    """
    problems: list[Problem] = []
    broken_modules: set[str] = set()
    inputs: dict[str, tuple[Input, ...]] = {}
    for table in spec.tables.values():
        if table.kind != "computed" or table.function is None:
            continue
        function = _find(table, table.function, spec, code, broken_modules, problems)
        if function is not None:
            inputs[table.name] = _Matcher(table, function, spec, problems).match()
    order, cycles = _order(spec.tables, inputs)
    problems += [_cycle_problem(cycle, spec) for cycle in cycles]
    return AssetGraph(spec.tables, inputs, order), problems


def _find(
    table: Table,
    ref: FunctionRef,
    spec: ProjectSpec,
    code: SourceReader,
    broken_modules: set[str],
    problems: list[Problem],
) -> FunctionSource | None:
    """The source of a table's transform; a module's own trouble is told once, not for every table in it."""
    if ref.module in broken_modules:
        return None
    where = ref.location or table.location
    try:
        module = code.module(ref.module)
    except SourceError as error:
        broken_modules.add(ref.module)
        place = error.location or (spec.module_location if ref.module == spec.module else where)
        problems.append(Problem(str(error), error.hint, place))
        return None
    function = module.functions.get(ref.name)
    if function is None:
        hint = did_you_mean(ref.name, module.functions)
        if hint is None:
            hint = f"define `def {ref.name}(…)` in {module.shown}, or name another with `function:`"
        elif hint.count("`") == 2:
            place = module.functions[hint.split("`")[1]].location
            hint = f"{hint.removesuffix('?')} ({place.file}:{place.line})?"
        problems.append(Problem(f"function `{ref.name}` is not in {module.shown}", hint, where))
        return None
    if function.is_async:
        hint = "write it with plain `def`: a transform does no waiting of its own"
        problems.append(Problem(f"function `{ref.name}` is `async`", hint, function.location))
        return None
    return function


class _Matcher:
    """Matches the parameters of one transform to tables and constants."""

    def __init__(self, table: Table, function: FunctionSource, spec: ProjectSpec, problems: list[Problem]) -> None:
        self.table = table
        self.function = function
        self.spec = spec
        self.problems = problems
        self.parameters = function.parameters
        self.named = {p.name: p for p in function.parameters or () if not p.kind.startswith("var_")}
        kinds = {p.kind for p in function.parameters or ()}
        self.takes_any_position = "var_positional" in kinds
        self.takes_any_name = "var_keyword" in kinds or function.parameters is None

    def match(self) -> tuple[Input, ...]:
        for key in self.table.params:
            if key not in self.named and not self.takes_any_name:
                self.problem(
                    f"`{self.function.name}` has no parameter `{key}`",
                    did_you_mean(key, self.named) or self.signature(),
                    f"params.{key}",
                    "params",
                )
        declared = self.table.inputs
        if declared is None:
            return self.by_name()
        if isinstance(declared, Mapping):
            return self.by_map(declared)
        return self.by_position(declared)

    def problem(self, message: str, hint: str | None, *keys: str, place: Location | None = None) -> None:
        self.problems.append(Problem(message, hint, place or self.table.where(*keys)))

    def signature(self) -> str:
        return f"its parameters are {', '.join(self.named) or 'none'} ({self.function.location})"

    def known(self, table: str, *keys: str) -> bool:
        if table in self.spec.tables:
            return True
        if table not in self.spec.broken:
            hint = did_you_mean(table, self.spec.tables) or "declare it under `tables:`"
            self.problem(f"input `{table}` of table `{self.table.name}` is not a table", hint, *keys)
        return False

    def by_name(self) -> tuple[Input, ...]:
        if self.parameters is None:
            hint = "list the tables it takes under `inputs:`, or write `inputs: []` where it takes none"
            self.problem(f"the parameters of `{self.function.name}` cannot be read from its source", hint, "function")
            return ()
        found = []
        for parameter in self.named.values():
            if parameter.name in self.table.params:
                continue
            if parameter.name in self.spec.tables:
                found.append(self.input(parameter, parameter.name))
            elif not parameter.has_default and parameter.name not in self.spec.broken:
                self.unmatched(parameter)
        return tuple(found)

    def unmatched(self, parameter: Parameter) -> None:
        others = [name for name in self.spec.tables if name != self.table.name]
        hint = did_you_mean(parameter.name, others)
        hint = hint or f"name its table under `inputs:` of `{self.table.name}`, or its value under `params:`"
        message = f"parameter `{parameter.name}` of `{self.function.name}` matches no table"
        self.problem(message, hint, place=parameter.location)

    def input(self, parameter: Parameter, table: str) -> Input:
        # Python takes everything before *args by position once *args itself is filled.
        by_position = parameter.kind == "positional_only"
        return Input(table, parameter.name, by_position)

    def by_map(self, declared: Mapping[str, str]) -> tuple[Input, ...]:
        found: dict[str, Input] = {}
        for name, table in declared.items():
            parameter = self.named.get(name)
            if parameter is None and not self.takes_any_name:
                hint = did_you_mean(name, self.named) or self.signature()
                self.problem(f"`{self.function.name}` has no parameter `{name}`", hint, f"inputs.{name}", "inputs")
            elif name in self.table.params:
                hint = "keep one of the two"
                self.problem(f"parameter `{name}` is both an input and a param", hint, f"inputs.{name}", "inputs")
            elif self.known(table, f"inputs.{name}", "inputs"):
                found[name] = self.input(parameter, table) if parameter else Input(table, name)
        for parameter in self.named.values():
            given = parameter.name in declared or parameter.name in self.table.params
            if given or parameter.has_default:
                continue
            message = f"parameter `{parameter.name}` of `{self.function.name}` gets no table"
            self.problem(message, "add it to `inputs:` or `params:`", "inputs")
        in_order = [name for name in self.named if name in found]
        return tuple(found[name] for name in [*in_order, *(name for name in found if name not in in_order)])

    def by_position(self, declared: tuple[str, ...]) -> tuple[Input, ...]:
        free = [p for p in self.named.values() if p.name not in self.table.params]
        slots = [p for p in free if p.kind != "keyword"]
        if not self.takes_any_position:
            slots += [p for p in free if p.kind == "keyword"]
        variadic = self.takes_any_position or self.parameters is None
        found = []
        for index, table in enumerate(declared):
            if not self.known(table, f"inputs.{index}", "inputs"):
                continue
            if index < len(slots):
                # What fills *args comes after all of these, so they go by position as well.
                by_position = slots[index].kind == "positional_only" or (variadic and len(declared) > len(slots))
                found.append(Input(table, slots[index].name, by_position))
            elif variadic:
                found.append(Input(table, None, True))
            else:
                count = len(declared)
                message = f"`{self.function.name}` takes {plural(len(slots), 'table')} and `inputs` lists {count}"
                self.problem(message, self.signature(), f"inputs.{index}", "inputs")
                break
        for parameter in slots[len(declared) :]:
            if not parameter.has_default:
                message = f"parameter `{parameter.name}` of `{self.function.name}` gets no table"
                self.problem(message, "add its table to `inputs:`, or its value to `params:`", "inputs")
        return tuple(found)


def _order(
    tables: Mapping[str, Table], inputs: Mapping[str, tuple[Input, ...]]
) -> tuple[tuple[str, ...], list[list[str]]]:
    """Kahn's algorithm with ties in file order; and cycles that share no table, each as the path that leads back."""
    position = {name: index for index, name in enumerate(tables)}
    names = list(tables)
    waiting = {name: {edge.table for edge in inputs.get(name, ())} for name in tables}
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
