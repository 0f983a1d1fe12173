"""Params of the project: which a table takes, and which of several values it gets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lakehouse_cli import Project
from lakehouse_cli.errors import ProjectError
from tests.conftest import ProjectFolder

NAMES = ("a", "b", "c", "d")
VALUES = st.dictionaries(st.sampled_from(NAMES), st.integers(0, 99))


def loaded(folder: ProjectFolder, top: str, table: str, code: str, **how: Any) -> Project:
    folder.declare(f"s: {{kind: source}}\nt: {table}", code, top=top)
    return Project.load(**how)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    top=st.dictionaries(st.sampled_from(NAMES), st.integers(100, 199), min_size=1),
    over=VALUES,
    own=VALUES,
    command=VALUES,
    with_default=st.sets(st.sampled_from(NAMES)),
    by_name=st.booleans(),
)
def test_the_nearest_value_counts(
    folder: ProjectFolder,
    top: dict[str, int],
    over: dict[str, int],
    own: dict[str, int],
    command: dict[str, int],
    with_default: set[str],
    by_name: bool,
) -> None:
    over = {name: value for name, value in over.items() if name in top}
    command = {name: value for name, value in command.items() if name in {**top, **own}}
    taken = sorted(with_default | own.keys())
    signature = ", ".join(["s", *(["*"] if by_name and taken else []), *(f"{name}=-1" for name in taken)])
    project = loaded(
        folder,
        f"params: {top}\nenvironments: {{e: {{params: {over}}}}}\n",
        f"{{params: {own}}}",
        f"def t({signature}): ...\n",
        env="e",
        params=command,
    )
    values = {**top, **over, **own, **command}
    assert project.tables["t"].params == {name: values[name] for name in taken if name in values}
    plan = project.plan()
    assert {name: each.values for name, each in plan.params.items()} == (
        {"t": both} if (both := {name: command[name] for name in taken if name in command}) else {}
    )


TOP = "params: {n: 7, r: 1.2345678901234567890}\n"


@pytest.mark.parametrize(
    ("table", "code", "taken"),
    [
        ("{inputs: [s]}", "def t(*all, n): ...\n", ["n"]),
        ("{inputs: [s]}", "def t(x, n, o=None): ...\n", ["n"]),
        ("{inputs: {n: s}}", "def t(n, r): ...\n", ["r"]),
        ("{inputs: [s]}", "def t(x, **n): ...\n", []),
        ("{inputs: [s]}", "t = make()\n", []),
        ("{sql: 'select $n as x from s'}", "", ["n"]),
    ],
)
def test_what_takes_a_param(folder: ProjectFolder, table: str, code: str, taken: list[str]) -> None:
    assert [*loaded(folder, TOP, table, code).tables["t"].params] == taken


@pytest.mark.parametrize(
    ("table", "code", "message", "place"),
    [
        ("{}", "def t(s, n, /): ...\n", "parameter `n` of `t` is taken by place alone, and a param by name", "1:10"),
        ("{}", "def t(s, m): ...\n", "parameter `m` of `t` matches no table", "1:10"),
        (
            "{inputs: [s, s]}",
            "def t(x, n, y): ...\n",
            "parameter `n` of `t` has a place in `inputs`, and is a param of the project",
            "6:7",
        ),
        ("{sql: 'select $m as x from s'}", "", "the query has a param `$m`, and `params` has no value", "6:12"),
        (
            "{sql: 'select $r as x from s'}",
            "",
            "param `r` has more digits than a number keeps, and a query takes it (`t`)",
            "3:16",
        ),
    ],
)
def test_what_cannot_take_a_param(folder: ProjectFolder, table: str, code: str, message: str, place: str) -> None:
    with pytest.raises(ProjectError) as caught:
        loaded(folder, TOP, table, code)
    [problem] = caught.value.problems
    assert problem.message == message
    assert str(problem.location).partition(":")[2] == place


def test_name_of_a_table_is_refused(folder: ProjectFolder) -> None:
    with pytest.raises(ProjectError, match="param `s` has the name of a table"):
        loaded(folder, "params: {s: 1}\n", "{}", "def t(s): ...\n")
