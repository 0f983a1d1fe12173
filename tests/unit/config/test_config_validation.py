"""Validation judges values, wherever they were written: here they stand in no file at all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

from lakehouse_cli.config.validation import validate
from lakehouse_cli.errors import Location, Problem
from lakehouse_cli.model import Column, Contract, ProjectSpec, StorageSpec, Table, parse_column_type

HERE = Location("declared.py", 7)


class Declarations:
    """Where the tables are written: each column's type in line 7, and nothing that could not be read."""

    def column_type(self, table: Table, column: str) -> Location | None:
        return HERE

    def options_place(self, table: Table, is_wrong: Callable[[Mapping[str, Any]], object]) -> Location | None:
        return table.where("options")

    def unread(self, table: Table) -> Collection[str]:
        return ()


def table(name: str = "t", **declared: Any) -> Table:
    return Table(name, path=declared.pop("path", name), location=Location("declared.py", 3), **declared)


def problems(*tables: Table, **storage: Any) -> list[Problem]:
    storages = {"default": StorageSpec("default", "/data", "data", **storage)}
    spec = ProjectSpec("p", Path("/p"), storages=storages, tables={each.name: each for each in tables})
    return list(validate(spec, Declarations()))


def contract(column_type: str, key: str = "a") -> Contract:
    return Contract((Column("a", parse_column_type(column_type)),), (key,))


@pytest.mark.parametrize(
    ("declared", "message", "line"),
    [
        ({"storage": "lake"}, "storage `lake` of table `t` is not declared", 3),
        ({"contract": contract("int64", key="b")}, "`key` of table `t` names column `b`, which is not declared", 3),
        ({"path": "raw/t.csv"}, "path `raw/t.csv` of table `t` ends in `.csv`, which the format adds", 3),
        (
            {"format": "excel", "options": {"sheet": "a/b"}},
            "table `t`: option `sheet` of format excel is `a/b`, which Excel does not take as a name",
            3,
        ),
        (
            {"options": {"delimiter": "'", "quote_char": "'"}},
            "table `t`: options `delimiter` and `quote_char` of format csv are both",
            3,
        ),
    ],
)
def test_values_that_do_not_fit_are_problems(declared: dict[str, Any], message: str, line: int) -> None:
    (problem,) = problems(table(**declared))
    assert problem.message.startswith(message)
    assert problem.location is not None
    assert problem.location.line == line


def test_type_a_format_cannot_hold_is_reported_at_the_type() -> None:
    (problem,) = problems(table(kind="source", format="excel", contract=contract("list<int64>")))
    assert "cannot hold column `a` of table `t`" in problem.message
    assert problem.location == HERE


def test_two_tables_on_one_path_are_a_problem() -> None:
    (problem,) = problems(table("t"), table("u", path="t"))
    assert problem.message == "tables `t` and `u` are stored on one path, `t`"


def test_tables_that_fit_have_no_problems() -> None:
    assert problems(table("t", contract=contract("int64")), table("u", kind="source")) == []
