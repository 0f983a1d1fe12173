"""Parameters become edges, edges an order; what does not fit is reported with its place."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import pytest

from lakehouse_cli import Project
from lakehouse_cli.errors import Problem, ProjectError
from lakehouse_cli.model import ProjectSpec, Table
from lakehouse_cli.model.computation import Computation, Fingerprint, Input, MatchedInputs
from lakehouse_cli.plan.graph import build_graph
from tests.conftest import Cli, ProjectFolder

Load = Callable[[str, str], Project]


@pytest.fixture
def load(folder: ProjectFolder) -> Load:
    def load(tables: str, code: str) -> Project:
        folder.write("lakehouse.yaml", "name: p\nmodule: transforms\ntables:\n" + tables)
        folder.write("transforms.py", code)
        return Project.load()

    return load


def problems(load: Load, tables: str, code: str) -> list[Problem]:
    with pytest.raises(ProjectError) as caught:
        load(tables, code)
    return list(caught.value.problems)


def edges(project: Project, table: str) -> list[tuple[str, str | None, bool]]:
    return [(edge.table, edge.parameter, edge.positional) for edge in project.graph.inputs[table]]


SOURCES = "  a: {kind: source}\n  b: {kind: source}\n"


@pytest.mark.parametrize(
    ("table", "code", "expected"),
    [
        ("t: {}", "def t(a, b): ...", [("a", "a", False), ("b", "b", False)]),
        ("t: {}", "def t(a, *, b=None): ...", [("a", "a", False), ("b", "b", False)]),
        ("t: {}", "def t(a, limit=3): ...", [("a", "a", False)]),
        ("t: {params: {b: 1}}", "def t(a, b): ...", [("a", "a", False)]),
        ("t: {params: {a: 1}}", "def t(a, b): ...", [("b", "b", False)]),
        ("t: {params: {anything: 1}}", "def t(a, **rest): ...", [("a", "a", False)]),
        ("t: {inputs: [b, a]}", "def t(x, y): ...", [("b", "x", False), ("a", "y", False)]),
        ("t: {inputs: [a], params: {n: 1}}", "def t(n, x): ...", [("a", "x", False)]),
        ("t: {inputs: {y: a, x: b}}", "def t(x, y): ...", [("b", "x", False), ("a", "y", False)]),
        ("t: {inputs: {x: a, z: b}}", "def t(x, **rest): ...", [("a", "x", False), ("b", "z", False)]),
        ("t: {inputs: [a, b]}", "def t(*frames): ...", [("a", None, True), ("b", None, True)]),
        ("t: {inputs: [a, b, a]}", "def t(x, *rest): ...", [("a", "x", True), ("b", None, True), ("a", None, True)]),
        ("t: {}", "def t(a, /, b): ...", [("a", "a", True), ("b", "b", False)]),
        ("t: {inputs: [a]}", "t = make()", [("a", None, True)]),
        ("t: {}", "t = lambda a, /, b, n=1: a", [("a", "a", True), ("b", "b", False)]),
        ("t: {}", "t: Step = lambda: None", []),
        ("t: {function: other}", "def other(b): ...", [("b", "b", False)]),
        ("t: {}", "try:\n    def t(a): ...\nexcept ImportError:\n    pass", [("a", "a", False)]),
    ],
)
def test_parameters_are_matched(
    load: Load, table: str, code: str, expected: list[tuple[str, str | None, bool]]
) -> None:
    assert edges(load(SOURCES + f"  {table}\n", code + "\n"), "t") == expected


def test_functions_of_other_modules_are_followed(folder: ProjectFolder, load: Load) -> None:
    folder.write("steps/__init__.py", "from .clean import tidy\nfrom . import clean\n")
    folder.write("steps/clean.py", "def tidy(a): ...\ndef other(b): ...\n")
    project = load(
        SOURCES + "  t: {function: tidied}\n  u: {function: 'steps.clean:other'}\n  tidy: {}\n",
        "from steps import tidy as tidied\nfrom steps import *\n",
    )
    assert edges(project, "t") == [("a", "a", False)]
    assert edges(project, "u") == [("b", "b", False)]
    assert edges(project, "tidy") == [("a", "a", False)]


@pytest.mark.parametrize(
    ("table", "code", "message", "hint", "place"),
    [
        ("t: {}", "def t(aa): ...", "parameter `aa` of `t` matches no table", "`a`", "transforms.py:1:7"),
        ("a0: {}", "def a0(bb): ...", "parameter `bb` of `a0` matches no table", "`b`", "transforms.py:1:8"),
        ("tt: {}", "def t(a): ...", "function `tt` is not in transforms.py", "`t`", "lakehouse.yaml:6:3"),
        ("t: {}", "async def t(a): ...", "function `t` is `async`", "plain `def`", "transforms.py:1:11"),
        ("t: {}", "t = make()", "the parameters of `t` cannot be read", "`inputs: []`", "lakehouse.yaml:6:3"),
        ("t: {}", "t = lambda aa, *, b=1: aa", "parameter `aa` of `t` matches no table", "`a`", "transforms.py:1:12"),
        ("t: {inputs: [aa]}", "def t(x): ...", "input `aa` of table `t` is not a table", "`a`", "lakehouse.yaml:6:16"),
        ("t: {inputs: [a, b]}", "def t(x): ...", "`t` takes 1 table and `inputs` lists 2", "x", "lakehouse.yaml:6:19"),
        ("t: {inputs: [a]}", "def t(x, y): ...", "parameter `y` of `t` gets no table", "inputs", "lakehouse.yaml:6:7"),
        (
            "t: {inputs: {x: a}}",
            "def t(x, y): ...",
            "parameter `y` of `t` gets no table",
            "inputs",
            "lakehouse.yaml:6:7",
        ),
        ("t: {inputs: {z: a}}", "def t(zz=1): ...", "`t` has no parameter `z`", "`zz`", "lakehouse.yaml:6:19"),
        (
            "t: {params: {lmit: 1}}",
            "def t(limit=1): ...",
            "`t` has no parameter `lmit`",
            "`limit`",
            "lakehouse.yaml:6:16",
        ),
        ("t: {}", "def t(t): ...", "table `t` is its own input", "cannot depend on itself", "lakehouse.yaml:6:3"),
    ],
)
def test_values_that_do_not_fit_are_reported(
    load: Load, table: str, code: str, message: str, hint: str, place: str
) -> None:
    found = problems(load, SOURCES + f"  {table}\n", code + "\n")
    assert len(found) == 1
    assert message in found[0].message
    assert hint in (found[0].hint or "")
    assert str(found[0].location) == place


def test_every_unknown_input_is_reported(load: Load) -> None:
    found = problems(load, SOURCES + "  t: {inputs: [none, b, nothing]}\n", "def t(x, y, z): ...\n")
    assert [p.message for p in found] == [
        "input `none` of table `t` is not a table",
        "input `nothing` of table `t` is not a table",
    ]


def test_a_cycle_is_shown_as_its_path(load: Load) -> None:
    found = problems(
        load,
        "  x: {}\n  y: {}\n  z: {}\n  after: {}\n",
        "def x(z): ...\ndef y(x): ...\ndef z(y): ...\ndef after(z): ...\n",
    )
    assert [p.message for p in found] == ["tables form a cycle: `x` → `y` → `z` → `x`"]


def test_a_broken_table_is_not_called_unknown(load: Load) -> None:
    found = problems(load, "  a: {kind: sauce}\n  t: {}\n", "def t(a): ...\n")
    assert len(found) == 1
    assert "sauce" in found[0].message


def test_order_of_the_file_breaks_ties(load: Load) -> None:
    project = load("  c: {}\n  b: {}\n  a: {}\n  d: {}\n", "def a(): ...\ndef b(a): ...\ndef c(): ...\ndef d(c): ...\n")
    assert project.graph.order == ("c", "a", "b", "d")


def test_broken_module_is_reported_once(load: Load) -> None:
    found = problems(load, "  a: {}\n  b: {}\n", "def a(:\n")
    assert [str(p.location) for p in found] == ["transforms.py:1:7"]


@pytest.mark.parametrize(
    ("module", "table", "place"),
    [("gone", "t: {}", "lakehouse.yaml:2:9"), ("transforms", "t: {function: 'gone:t'}", "lakehouse.yaml:4:17")],
)
def test_missing_module_is_reported_where_it_is_named(
    folder: ProjectFolder, cli: Cli, module: str, table: str, place: str
) -> None:
    folder.write("lakehouse.yaml", f"name: p\nmodule: {module}\ntables:\n  {table}\n")
    folder.write("transforms.py", "")
    assert place in cli("plan").err


def test_graph_asks_any_kind_of_computation() -> None:
    class Query:
        """A computation that is no Python function."""

        name = "select"

        def __init__(self, *tables: str) -> None:
            self.tables = tables

        def inputs(self, tables: Collection[str]) -> MatchedInputs:
            missing = [Problem(f"no table `{name}`") for name in self.tables if name not in tables]
            return MatchedInputs(tuple(Input(name, None) for name in self.tables if name in tables), missing)

        def fingerprint(self) -> Fingerprint:
            raise NotImplementedError

        def run(self, inputs: Sequence[tuple[Input, Any]]) -> Any:
            raise NotImplementedError

    queries: dict[str, Computation] = {"b": Query("a"), "c": Query("b", "x")}
    tables = {"c": Table("c"), "b": Table("b"), "a": Table("a", kind="source")}
    graph, problems = build_graph(ProjectSpec("p", Path("p"), tables=tables), lambda table: queries.get(table.name))
    assert graph.order == ("a", "b", "c")
    assert graph.upstream("c") == ("b",)
    assert [problem.message for problem in problems] == ["no table `x`"]
