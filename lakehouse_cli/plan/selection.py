"""Choosing tables: names, globs, methods, levels of upstream and downstream, unions and intersections.

The grammar is dbt's and Dagster's: ``a``, ``+a``, ``a+``, ``2+a+1``, ``stg_*``, ``tag:weather``,
``storage:default``, ``kind:source``, ``state:modified``; several arguments are a union, a comma is an intersection.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase

from msgspec import Struct

from lakehouse_cli.errors import UsageError
from lakehouse_cli.model import Table
from lakehouse_cli.plan.graph import AssetGraph
from lakehouse_cli.text.close_names import did_you_mean
from lakehouse_cli.text.name_lists import first_named

STATES = ("modified", "new", "failed")

_WILD = "*?[]"
_LISTED = 8

_TERM = r"(?P<up>\d*\+)?(?P<core>[^+]+)(?P<down>\+\d*)?"
_METHODS: dict[str, Callable[[Table, str], bool]] = {
    "tag": lambda table, value: any(fnmatchcase(tag, value) for tag in table.tags),
    "storage": lambda table, value: fnmatchcase(table.storage, value),
    "kind": lambda table, value: table.kind == value,
}


class Selection(Struct, frozen=True):
    """The tables chosen.

    Attributes:
        names: In the graph's order.
        notes: For the user, such as a method that matched nothing.
        explicit: Whether terms chose them; not where all tables are chosen for want of any.
        named: Those of them that stand in the terms by their own names.
    """

    names: tuple[str, ...]
    notes: tuple[str, ...] = ()
    explicit: bool = False
    named: frozenset[str] = frozenset()


StateSelection = Callable[[str], set[str]]


def mentions_state(terms: Iterable[str]) -> bool:
    """Whether any of the terms selects by `state:`, for which what is stored must be looked at."""
    return any("state:" in term for term in terms)


def select(
    graph: AssetGraph, terms: Iterable[str], exclude: Iterable[str] = (), in_state: StateSelection | None = None
) -> Selection:
    """Resolve a selection against a graph.

    Args:
        graph: The project's tables.
        terms: The union of these; none at all selects every table.
        exclude: Left out of the result.
        in_state: Names the tables that are `modified`, `new` or `failed`; needed where `mentions_state`.

    Raises:
        UsageError: A term can match no table (with close matches), names no method, or is no term at all.
    """
    notes: list[str] = []
    asked = list(terms)
    chosen = _union(graph, asked, notes, in_state) if asked else set(graph.tables)
    left = chosen - _union(graph, exclude, notes, in_state)
    # What alone matches nothing has been noted; that two have nothing in common, or that all is left out, has not.
    if graph.tables and not left and (chosen or not notes):
        notes.append("the selection matches no table")
    written = (re.fullmatch(_TERM, piece) for term in asked for piece in term.replace(",", " ").split())
    named = frozenset(match["core"] for match in written if match and match["core"] in left)
    return Selection(tuple(name for name in graph.order if name in left), tuple(notes), bool(asked), named)


def _union(graph: AssetGraph, terms: Iterable[str], notes: list[str], in_state: StateSelection | None) -> set[str]:
    chosen: set[str] = set()
    for term in terms:
        if not isinstance(term, str):
            raise UsageError(f"a selection is made of texts, not of {term!r}", hint="write `run('a', 'b')`")
        if not term.strip():
            raise UsageError("the selection is empty", hint="leave it out to select every table")
        for part in term.split():
            if not all(part.split(",")):
                hint = "a comma stands between two selections and takes what is in both; `a b` takes what is in either"
                raise UsageError(f"`{part}` has a comma with nothing before or after it", hint=hint)
            chosen |= set.intersection(*(_one(graph, piece, notes, in_state) for piece in part.split(",")))
    return chosen


def _one(graph: AssetGraph, text: str, notes: list[str], in_state: StateSelection | None) -> set[str]:
    match = re.fullmatch(_TERM, text)
    if match is None:
        raise UsageError(
            f"`{text}` is not a selection",
            hint="write a table's name, `+name` with all upstream, `name+` with all downstream, or `tag:…`",
        )
    found = _core(graph, match["core"], notes, in_state)
    chosen = set(found)
    if match["up"] is not None:
        chosen |= _reach(found, graph.upstream, match["up"].rstrip("+"))
    if match["down"] is not None:
        chosen |= _reach(found, graph.downstream, match["down"].lstrip("+"))
    return chosen


def _core(graph: AssetGraph, core: str, notes: list[str], in_state: StateSelection | None) -> set[str]:
    method, colon, value = core.partition(":")
    if colon:
        if method != "state" and method not in _METHODS:
            known = [f"{name}:" for name in (*_METHODS, "state")]
            raise UsageError(
                f"`{method}:` is not a selection method",
                hint=did_you_mean(f"{method}:", known) or f"the methods are {', '.join(known)}",
            )
        if method == "kind" and value not in ("source", "computed"):
            raise UsageError(f"`{value}` is not a kind of table", hint="the kinds are source and computed")
        if method == "state":
            found = _in_state(value, in_state)
        else:
            found = {table.name for table in graph.tables.values() if _METHODS[method](table, value)}
        if not found and method in ("tag", "storage"):
            raise _matches_nothing(graph, method, value)
    elif any(character in core for character in _WILD):
        found = {name for name in graph.tables if fnmatchcase(name, core)}
        if not found:
            close = did_you_mean(core.strip(_WILD), graph.tables)
            raise UsageError(f"no table's name fits `{core}`", hint=close or "`lakehouse ls` lists the tables")
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


def _matches_nothing(graph: AssetGraph, method: str, value: str) -> UsageError:
    """Make the error of a tag or storage that no table has."""
    tables = graph.tables.values()
    names = {tag for table in tables for tag in table.tags} if method == "tag" else {t.storage for t in tables}
    # What would part a selection is written as it can be selected.
    known = sorted(re.sub(r"[\s,+]", "?", name) for name in names)
    listed = first_named([f"{method}:{each}" for each in known], _LISTED)
    hint = did_you_mean(value.strip(_WILD), known, written=f"{method}:{{}}") or (
        f"there are {listed}" if known else "no table has tags"
    )
    message = f"no table has the tag `{value}`" if method == "tag" else f"no table is in a storage `{value}`"
    return UsageError(message, hint=hint)


def _in_state(state: str, in_state: StateSelection | None) -> set[str]:
    if state not in STATES:
        hint = did_you_mean(state, STATES, written="state:{}") or f"the states are {', '.join(STATES)}"
        raise UsageError(f"`state:{state}` is not a selection", hint=hint)
    if in_state is None:
        raise TypeError("select() was given no way to look at states")
    return in_state(state)


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
