"""What is no selection, and what selects nothing."""

from __future__ import annotations

import pytest

from lakehouse_cli.errors import UsageError
from lakehouse_cli.model import Table
from lakehouse_cli.plan.graph import AssetGraph, Input
from lakehouse_cli.plan.selection import select
from tests.cases import each_case

GRAPH = AssetGraph(
    {"raw": Table("raw", kind="source", path="raw"), "daily": Table("daily", path="daily", tags=("daily",))},
    {"daily": (Input("raw", "raw"),)},
    ("raw", "daily"),
)


@each_case(
    ("term", "message", "hint"),
    [
        ("dayly", "there is no table `dayly`", "did you mean `daily`?"),
        ("tga:x", "`tga:` is not a selection method", "did you mean `tag:`"),
        ("a++b", "`a++b` is not a selection", "write a table's name"),
        ("+", "`+` is not a selection", "write a table's name"),
        ("raw,,daily", "`raw,,daily` has a comma with nothing before or after it", "takes what is in both"),
        (",", "`,` has a comma with nothing before or after it", "takes what is in both"),
        ("raw daily,", "`daily,` has a comma with nothing before or after it", "takes what is in both"),
        ("state:modifed", "`state:modifed` is not a selection", "did you mean `state:modified`?"),
    ],
)
def test_refused(term: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        select(GRAPH, [term])
    assert caught.value.message == message
    assert hint in (caught.value.hint or "")


@each_case(
    ("term", "message", "hint"),
    [
        ("tag:dialy", "no table has the tag `dialy`", "did you mean `tag:daily`?"),
        ("tag:none", "no table has the tag `none`", "there are `tag:daily`"),
        ("tag:n*", "no table has the tag `n*`", "there are `tag:daily`"),
        ("+tag:none", "no table has the tag `none`", "there are `tag:daily`"),
        ("x*", "no table's name fits `x*`", "`lakehouse ls` lists the tables"),
        ("dayly*", "no table's name fits `dayly*`", "did you mean `daily`?"),
        ("storage:s3", "no table is in a storage `s3`", "there are `storage:default`"),
    ],
)
@each_case("excluded", [False, True])
def test_terms_that_cannot_match_are_refused(term: str, message: str, hint: str, excluded: bool) -> None:
    with pytest.raises(UsageError) as caught:
        select(GRAPH, ["raw"] if excluded else [term], [term] if excluded else [])
    assert (caught.value.message, caught.value.hint) == (message, hint)


@pytest.mark.parametrize("term", ["state:new", "kind:computed"])
def test_state_and_kind_may_match_nothing(term: str) -> None:
    graph = AssetGraph({"raw": Table("raw", kind="source", path="raw")}, {}, ("raw",))
    selection = select(graph, [term], in_state=lambda _: set())
    assert (selection.names, selection.notes) == ((), (f"`{term}` matches no table",))


@pytest.mark.parametrize(
    ("terms", "exclude"), [(["raw,daily"], []), (["raw", "daily"], ["+daily"]), (["raw", "kind:source"], ["raw"])]
)
def test_a_selection_of_which_nothing_is_left_says_so(terms: list[str], exclude: list[str]) -> None:
    selection = select(GRAPH, terms, exclude)
    assert selection.names == ()
    assert selection.notes[-1] == "the selection matches no table"
