"""A snapshot looks at each table of a plan once, and reports as values what cannot be looked at."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from lakehouse_cli import Project
from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.manifest import Recipe
from lakehouse_cli.plan.snapshot import StoredEnvironment, take_snapshot
from lakehouse_cli.storage.wrapper import WrapperStorage
from tests.conftest import ProjectFolder


class Watched(WrapperStorage):
    """Counts what is asked for by method and table, and fails for some."""

    def __init__(self, inner: Any, failing: frozenset[str] = frozenset()) -> None:
        super().__init__(inner)
        self.calls: Counter[tuple[str, str]] = Counter()
        self.failing = failing

    def forward(self, method: str, /, *arguments: Any, **keywords: Any) -> Any:
        if arguments and isinstance(arguments[0], Table):
            self.calls[method, arguments[0].name] += 1
            if arguments[0].name in self.failing and method != "uri":
                raise StorageError("it is on fire")
        return super().forward(method, *arguments, **keywords)

    def asked(self, method: str) -> dict[str, int]:
        return {name: count for (of, name), count in self.calls.items() if of == method}


@pytest.fixture
def stored(folder: ProjectFolder) -> StoredEnvironment:
    """A source, two tables that are stored and one that never was."""
    folder.declare(
        "s: {kind: source, columns: {n: int64}}\na: {columns: {n: int64}}\nb: {columns: {n: int64}}\nnew: {}\n",
        "def a(s): return s\n\ndef b(s, a): return a\n\ndef new(b): return b\n",
    )
    folder.write("data/s.csv", "n\n1\n")
    assert Project.load().run("b", "a", executor="serial").status == "success"
    return Project.load().planner.stored


def recipes(*names: str) -> dict[str, Recipe]:
    """What tables of this project would be made by, as far as a snapshot looks at it."""
    return {name: Recipe(name, {}, None, (), "error", {}, "csv", ()) for name in names}


def watched(stored: StoredEnvironment, *failing: str) -> tuple[StoredEnvironment, Watched]:
    storage = Watched(stored.storages["default"], frozenset(failing))
    return replace(stored, storages={"default": storage}), storage


def test_each_table_is_looked_at_once(stored: StoredEnvironment) -> None:
    here, storage = watched(stored)
    names = ("s", "a", "b", "new")
    states = take_snapshot(here, names, recipes("a", "b", "new")).states
    assert {name: state.exists for name, state in states.items()} == {"s": True, "a": True, "b": True, "new": False}
    assert storage.asked("content") == dict.fromkeys(names, 1)
    assert storage.asked("read_manifest") == dict.fromkeys(("a", "b", "new"), 1)
    assert not storage.asked("publish")
    assert not storage.asked("scan"), "no rows of what did not change"


def test_snapshot_is_a_value(stored: StoredEnvironment, folder: ProjectFolder) -> None:
    before = take_snapshot(stored, ("s", "a"), recipes("a"))
    assert take_snapshot(stored, ("s", "a"), recipes("a")) == before
    folder.write("data/s.csv", "n\n2\n3\n")
    after = take_snapshot(stored, ("s", "a"), recipes("a"))
    assert after.states["s"] != before.states["s"]
    assert after.states["a"] == before.states["a"], "what no one edited is as it was"


def test_what_is_made_as_before_is_not_read_again(stored: StoredEnvironment) -> None:
    as_stored = {name: state.manifest for name, state in take_snapshot(stored, ("a", "b"), {}).states.items()}
    now = {name: replace(each.recipe) for name, each in as_stored.items() if each is not None and each.recipe}
    now["b"] = replace(now["b"], key=("n",))
    found = {name: state.manifest for name, state in take_snapshot(stored, ("a", "b"), now).states.items()}
    assert found == as_stored
    assert [each.recipe is now[name] for name, each in found.items() if each is not None] == [True, False]


def test_failure_of_one_table_is_its_own(stored: StoredEnvironment) -> None:
    here, _ = watched(stored, "a")
    states = take_snapshot(here, ("s", "a", "b"), recipes("a", "b")).states
    assert "on fire" in str(states["a"].trouble)
    assert states["b"].trouble is None
    assert states["b"].exists


def test_only_what_lacks_is_looked_for_elsewhere(stored: StoredEnvironment, folder: ProjectFolder) -> None:
    behind, there = watched(replace(stored, environment="prod"))
    emptied = folder.path / "data"
    emptied.rename(folder.path / "elsewhere")
    (folder.path / "data").mkdir()
    (folder.path / "elsewhere/s.csv").rename(folder.path / "data/s.csv")
    here = stored
    # What is behind is what was moved: the same storage at another place.
    spec = stored.specs["default"]
    moved = Project.load().planner.storages["default"].__class__(replace(spec, root=str(folder.path / "elsewhere")))
    there.inner = moved
    states = take_snapshot(here, ("s", "a", "b", "new"), recipes("b", "new"), behind=behind).states
    assert {name: state.environment for name, state in states.items() if state.environment} == {"a": "prod"}
    assert set(there.asked("content")) == {"a"}, "the source is here, and what is computed here is not read there"
    assert not states["b"].exists


def test_source_that_is_missing_is_explained_once(stored: StoredEnvironment, folder: ProjectFolder) -> None:
    (folder.path / "data/s.csv").rename(folder.path / "data/s.txt")
    here, _ = watched(stored)
    states = take_snapshot(here, ("s", "a"), recipes("a")).states
    assert not states["s"].exists
    assert "s.txt is there" in f"{states['s'].trouble} {getattr(states['s'].trouble, 'hint', '')}"
    lenient = take_snapshot(here, ("s", "a"), recipes("a"), lenient=True).states
    assert lenient["s"].trouble is None, "no one asks why"
