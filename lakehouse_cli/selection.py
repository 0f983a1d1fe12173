"""Choosing tables: names, globs, methods, levels of upstream and downstream, unions and intersections.

The grammar is dbt's and Dagster's: ``a``, ``+a``, ``a+``, ``2+a+1``, ``stg_*``, ``tag:weather``,
``storage:default``, ``kind:source``; several arguments are a union, a comma is an intersection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from lakehouse_cli.errors import UsageError, did_you_mean
from lakehouse_cli.graph import AssetGraph
from lakehouse_cli.model import Table

_TERM = re.compile(r"(?P<up>\d*\+)?(?P<core>[^+]+)(?P<down>\+\d*)?")
_METHODS: dict[str, Callable[[Table, str], bool]] = {
    "tag": lambda table, value: any(fnmatchcase(tag, value) for tag in table.tags),
    "storage": lambda table, value: fnmatchcase(table.storage, value),
    "kind": lambda table, value: table.kind == value,
}


@dataclass(frozen=True, slots=True)
class Selection:
    """The tables chosen.

    Attributes:
        names: In the graph's order.
        notes: What to tell the user, such as a method that matched nothing.
    """

    names: tuple[str, ...]
    notes: tuple[str, ...] = ()


def select(graph: AssetGraph, terms: Iterable[str], exclude: Iterable[str] = ()) -> Selection:
    """Resolve a selection against a graph.

    Args:
        graph: The project's tables.
        terms: The union of these; none at all selects every table.
        exclude: Left out of the result.

    Raises:
        UsageError: A term names no table (with close matches), no method, or is no term at all.
    """
    notes: list[str] = []
    asked = list(terms)
    chosen = _union(graph, asked, notes) if asked else set(graph.tables)
    chosen -= _union(graph, exclude, notes)
    return Selection(tuple(name for name in graph.order if name in chosen), tuple(notes))


def _union(graph: AssetGraph, terms: Iterable[str], notes: list[str]) -> set[str]:
    chosen: set[str] = set()
    for term in terms:
        for part in term.split():
            chosen |= set.intersection(*(_one(graph, piece, notes) for piece in part.split(",")))
    return chosen


def _one(graph: AssetGraph, text: str, notes: list[str]) -> set[str]:
    match = _TERM.fullmatch(text)
    if match is None:
        raise UsageError(
            f"`{text}` is not a selection",
            hint="write a table's name, `+name` with all upstream, `name+` with all downstream, or `tag:…`",
        )
    found = _core(graph, match["core"], notes)
    chosen = set(found)
    if match["up"] is not None:
        chosen |= _reach(found, graph.upstream, match["up"].rstrip("+"))
    if match["down"] is not None:
        chosen |= _reach(found, graph.downstream, match["down"].lstrip("+"))
    return chosen


def _core(graph: AssetGraph, core: str, notes: list[str]) -> set[str]:
    method, colon, value = core.partition(":")
    if colon:
        if method == "state":
            raise UsageError("selection by `state:` is not supported yet", hint="name the tables")
        if method not in _METHODS:
            known = [f"{name}:" for name in _METHODS]
            raise UsageError(
                f"`{method}:` is not a selection method",
                hint=did_you_mean(f"{method}:", known) or f"the methods are {', '.join(known)}",
            )
        found = {table.name for table in graph.tables.values() if _METHODS[method](table, value)}
    elif any(character in core for character in "*?["):
        found = {name for name in graph.tables if fnmatchcase(name, core)}
    elif core in graph.tables:
        return {core}
    else:
        raise UsageError(
            f"there is no table `{core}`",
            hint=did_you_mean(core, graph.tables) or "`lakehouse ls` lists the tables",
        )
    if not found:
        notes.append(f"`{core}` matches no table")
    return found


def _reach(start: set[str], step: Callable[[str], Iterable[str]], levels: str) -> set[str]:
    """All that `step` leads to within so many levels; without end where `levels` is empty."""
    reached: set[str] = set()
    frontier = set(start)
    remaining = int(levels) if levels else -1
    while frontier and remaining != 0:
        frontier = {name for table in frontier for name in step(table)} - reached
        reached |= frontier
        remaining -= 1
    return reached
