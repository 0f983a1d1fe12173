"""The params of the project that each table takes: those that its function, or query, has a parameter for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.code.source import Parameter, SourceError, SourceReader
from lakehouse_cli.config.params import fitted, lost_digits
from lakehouse_cli.errors import Problem, UsageError
from lakehouse_cli.model import Param, ProjectSpec, Table
from lakehouse_cli.text.name_lists import first_named

# Tables that are named which take a param.
_NAMED = 3
#: Values by table and param.
ByTable = Mapping[str, Mapping[str, Any]]
NOTHING: ByTable = {}


class Unkept(Struct, frozen=True):
    """Stands for the value of a param that a run was given and did not keep, as it is never shown."""

    run_id: str


class TakenParams(Struct, frozen=True):
    """The project with what its tables take of its params.

    Attributes:
        spec: Its tables have them among their own, behind these.
        given: Of each table that takes some, the values which the command gave.
        unused: Names of those that no table takes.
        problems: What is wrong with them.
    """

    spec: ProjectSpec
    given: ByTable = {}
    unused: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def take_params(spec: ProjectSpec, source: SourceReader, again: ByTable = NOTHING) -> TakenParams:
    """Give the tables the params of the project.

    Args:
        spec: The project, with what is found in its queries.
        source: Reads its modules.
        again: What a former run was given, by table, over all but what the command gives.

    Raises:
        UsageError: What a former run was given is not known any more, or not of the param's type; or a query takes what
            the command gives, and would get it wrong.
    """
    if not (spec.params or spec.given or again):
        return TakenParams(spec, problems=tuple(_unfit_for_queries(spec, {})))
    problems = [
        Problem(f"param `{name}` has the name of a table", "rename one of the two", param.location)
        for name, param in spec.params.items()
        if name in spec.tables
    ]
    tables: dict[str, Table] = {}
    given: dict[str, Mapping[str, Any]] = {}
    by_table: dict[str, Sequence[str]] = {}
    for name, table in spec.tables.items():
        taken = [each for each in wanted_names(table, source) if each in spec.params and each not in table.params]
        taken = [each for each in taken if each not in table.dimension_params]
        by_table[name] = taken
        if taken:
            problems += _ambiguous(table, source, taken)
            table = _with_params(table, {each: spec.params[each] for each in taken})
        if name in again:
            table = _with_former(table, again[name], spec.given)
        named = [each for each in table.params if each in spec.given or each in again.get(name, ())]
        if named:
            given[name] = {each: table.params[each] for each in named}
        tables[name] = table
    used = {each for taken in by_table.values() for each in taken}
    unused = tuple(name for name in spec.params if name not in used)
    spec = replace(spec, tables=tables)
    return TakenParams(spec, given, unused, (*problems, *_unfit_for_queries(spec, by_table)))


def wanted_names(table: Table, source: SourceReader) -> list[str]:
    """The names that the computation of a table has for what it is given, but for those that `inputs` has by name."""
    if table.query is not None:
        return list(table.query.reading.params) if table.query.reading is not None else []
    declared = table.inputs if isinstance(table.inputs, Mapping) else ()
    return [each.name for each in _parameters(table, source) if each.name not in declared]


def _parameters(table: Table, source: SourceReader) -> Sequence[Parameter]:
    """The parameters of a table's function that have names and take values; none where they cannot be read."""
    return [each for each in _signature(table, source) if not each.kind.startswith("var_") and not each.is_target]


def _takes_any_place(table: Table, source: SourceReader) -> bool:
    return any(each.kind == "var_positional" for each in _signature(table, source))


def _signature(table: Table, source: SourceReader) -> Sequence[Parameter]:
    if table.function is None:
        return ()
    try:
        function = source.module(table.function.module).functions.get(table.function.name)
    except SourceError:  # reported where inputs are matched
        return ()
    return (function.parameters if function is not None else None) or ()


def _ambiguous(table: Table, source: SourceReader, taken: Sequence[str]) -> Iterator[Problem]:
    """The params whose parameters would be given tables by their places in the list of inputs."""
    if not isinstance(table.inputs, tuple):
        return
    free = [each for each in _parameters(table, source) if each.name not in table.constants]
    slots = [each.name for each in free if each.kind != "keyword"]
    if not _takes_any_place(table, source):
        slots += [each.name for each in free if each.kind == "keyword"]
    for name in slots[: len(table.inputs)]:
        if name in taken:
            message = (
                f"parameter `{name}` of {table.computed_by} has a place in `inputs`, and is a param of the project"
            )
            yield Problem(message, "write `inputs` as a map of parameter to table", table.where("inputs"))


def _unfit_for_queries(spec: ProjectSpec, taken: Mapping[str, Sequence[str]]) -> Iterator[Problem]:
    """The params that queries would get wrong without a word, each once, with the tables that take it.

    Args:
        spec: The project, whose tables have their params.
        taken: By table, which of them are the project's.
    """
    found: dict[Problem, list[str]] = {}
    for name, table in spec.tables.items():
        for param, value in table.params.items() if table.query is not None else ():
            if is_mixed(value):
                error = mixed_list(param)
            elif param in taken.get(name, ()) and spec.params[param].loses_digits:
                error = lost_digits(param)
            else:
                continue
            if param in spec.given:
                raise error
            place = table.where(f"params.{param}", "params")
            found.setdefault(Problem(error.message, error.hint, place), []).append(name)
    for problem, names in found.items():
        yield replace(problem, message=f"{problem.message} ({first_named(names, _NAMED)})")


def mixed_list(name: str) -> UsageError:
    """The error of a list that a query would get wrong."""
    return UsageError(
        f"param `{name}` is a list of several types, and a query takes lists of one",
        hint="write all as texts, in quotes, or make a param of each",
    )


def is_mixed(value: Any) -> bool:
    """Whether there is a list in a value whose items have several types; whole numbers are among the others."""
    if isinstance(value, Mapping):
        return any(map(is_mixed, value.values()))
    return isinstance(value, list | tuple) and _are_several(value)


def _are_several(items: Sequence[Any]) -> bool:
    """Whether values that are to have one type have several."""
    there = [each for each in items if each is not None]
    if len({_kind(each) for each in there}) > 1:
        return True
    if not there or not isinstance(there[0], Mapping | list | tuple):
        return False
    if isinstance(there[0], Mapping):
        return any(_are_several([each[name] for each in there]) for name in there[0])
    return _are_several([item for each in there for item in each])


def _kind(value: Any) -> object:
    if isinstance(value, Mapping):
        return frozenset(value)
    return float if type(value) is int else list if isinstance(value, tuple) else type(value)


def _with_params(table: Table, params: Mapping[str, Param]) -> Table:
    values = {name: param.value for name, param in params.items()}
    private = {name: param.template for name, param in params.items() if param.is_private}
    places = {f"params.{name}": param.location for name, param in params.items() if param.location is not None}
    return replace(
        table,
        params={**table.params, **values},
        private={**table.private, **private},
        locations={**table.locations, **places},
    )


def _with_former(table: Table, former: Mapping[str, Any], given: frozenset[str]) -> Table:
    """A table with the params of a former run, as far as it has them still."""
    params = dict(table.params)
    for name, value in former.items():
        if name not in params or name in given:
            continue
        if isinstance(value, Unkept):
            message = f"run {value.run_id} was given param `{name}` of `{table.name}`, and did not keep its value"
            raise UsageError(message, hint=f"give it again: `--param {name}=…`")
        params[name] = fitted(value, params[name], f"{name}` of table `{table.name}", private=name in table.private)
    return replace(table, params=params)
