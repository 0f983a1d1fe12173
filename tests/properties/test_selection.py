"""Selection against a brute-force model: closures by walking every path."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse_cli.errors import UsageError
from lakehouse_cli.model import Table
from lakehouse_cli.plan.graph import AssetGraph, Input
from lakehouse_cli.plan.selection import select

TAGS = ("red", "blue")


@st.composite
def graphs(draw: st.DrawFn) -> AssetGraph:
    """A random acyclic graph of up to nine tables, in a topological order."""
    names = [f"t{i}" for i in range(draw(st.integers(1, 9)))]
    inputs = {}
    tables = {}
    for index, name in enumerate(names):
        upstream = draw(st.lists(st.sampled_from(names[:index]), unique=True, max_size=3)) if index else []
        inputs[name] = tuple(Input(table, table) for table in upstream)
        tags = tuple(draw(st.lists(st.sampled_from(TAGS), unique=True)))
        tables[name] = Table(name, kind="computed" if upstream else "source", path=name, tags=tags)
    return AssetGraph(tables, inputs, tuple(names))


def distance(graph: AssetGraph, start: str, goal: str) -> int | None:
    """Fewest edges from `start` down to `goal`, by trying every path."""
    if start == goal:
        return 0
    found = [distance(graph, below, goal) for below in graph.downstream(start)]
    known = [d + 1 for d in found if d is not None]
    return min(known, default=None)


def model(graph: AssetGraph, name: str, up: str | None, down: str | None) -> set[str]:
    def within(steps: int | None, levels: str | None) -> bool:
        if steps is None or levels is None:
            return steps == 0
        return levels == "" or steps <= int(levels)

    return {
        other
        for other in graph.tables
        if within(distance(graph, other, name), up) or within(distance(graph, name, other), down)
    }


LEVELS = st.none() | st.sampled_from(["", "0", "1", "2", "3"])


@st.composite
def terms(draw: st.DrawFn, graph: AssetGraph) -> tuple[str, set[str]]:
    """A term, and the tables that the model says it means."""
    name = draw(st.sampled_from(list(graph.tables)))
    up, down = draw(LEVELS), draw(LEVELS)
    text = f"{'' if up is None else up + '+'}{name}{'' if down is None else '+' + down}"
    return text, model(graph, name, up, down)


@given(st.data())
@settings(max_examples=200)
def test_terms_unions_intersections_and_exclusion(data: st.DataObject) -> None:
    graph = data.draw(graphs())
    one, first = data.draw(terms(graph))
    two, second = data.draw(terms(graph))
    three, third = data.draw(terms(graph))

    def chosen(*asked: str, exclude: tuple[str, ...] = ()) -> set[str]:
        selection = select(graph, asked, exclude)
        assert list(selection.names) == [n for n in graph.order if n in selection.names]
        return set(selection.names)

    assert chosen(one) == first
    assert chosen(one, two) == first | second == chosen(f"{one} {two}")
    assert chosen(f"{one},{two}") == first & second
    assert chosen(one, two, exclude=(three,)) == (first | second) - third
    assert chosen(f"{one},{two}", three) == (first & second) | third
    assert chosen() == set(graph.tables)


@given(graphs(), st.sampled_from(TAGS), st.sampled_from(["source", "computed"]))
def test_methods_and_globs(graph: AssetGraph, tag: str, kind: str) -> None:
    tables = graph.tables.values()
    tagged = {t.name for t in tables if tag in t.tags}
    if not tagged:
        with pytest.raises(UsageError):
            select(graph, [f"tag:{tag}"])
        return
    assert set(select(graph, [f"tag:{tag}"]).names) == tagged
    assert set(select(graph, [f"kind:{kind}"]).names) == {t.name for t in tables if t.kind == kind}
    assert set(select(graph, ["t*"]).names) == set(graph.tables)
    assert set(select(graph, ["storage:default"]).names) == set(graph.tables)
    closure = {n for t in tables if tag in t.tags for n in model(graph, t.name, "", None)}
    assert set(select(graph, [f"+tag:{tag}"]).names) == closure
