"""A rehearsal: each transform called on rows made up for its inputs, and its contract enforced on what comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from msgspec import Struct

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.operations.transform_tests.computing import transforms_of
from lakehouse_cli.operations.transform_tests.generation import generate_rows
from lakehouse_cli.plan.project_code import ProjectCode
from lakehouse_cli.runs.error_info import ErrorInfo, error_json


class RehearsedTable(Struct, frozen=True):
    """What came of one table.

    Attributes:
        name: The table.
        status: ``skipped`` where no rows can be made up for it.
        note: Why it was skipped.
        error: What the transform raised, or how its result breaks the contract.
    """

    name: str
    status: Literal["passed", "failed", "skipped"]
    note: str = ""
    error: ErrorInfo | None = None

    def to_json(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "name": self.name,
            "status": self.status,
            "note": self.note or None,
            "error": None if self.error is None else error_json(self.error),
        }


def rehearse(code: ProjectCode, rows: int, seed: int) -> Iterator[RehearsedTable]:
    """Rehearse all computed tables, those of one call together.

    Args:
        code: The project's.
        rows: How many rows to make up for each input.
        seed: Decides their values.
    """
    graph, tables = code.graph, code.spec.tables
    with transforms_of(code) as compute:
        for name in graph.order:
            table, siblings = tables[name], graph.siblings(name)
            if table.kind == "source" or siblings[0] != name:
                continue
            if (note := hindrance(code, name)) is not None:
                yield from (RehearsedTable(each, "skipped", note) for each in siblings)
                continue
            given = {each.table: generate_rows(tables[each.table], rows, seed) for each in graph.inputs[name]}
            error = None
            try:
                compute([tables[each] for each in siblings], graph.inputs[name], given)
            except LakehouseError as raised:
                error = ErrorInfo.of(raised)
            for each in siblings:
                yield RehearsedTable(each, "passed" if error is None else "failed", error=error)


def hindrance(code: ProjectCode, name: str) -> str | None:
    """Why a table cannot be rehearsed; None where it can."""
    tables = code.spec.tables
    if tables[name].runs_in_storage:
        return "its query runs in the database in which it is stored"
    for each in dict.fromkeys(edge.table for edge in code.graph.inputs[name]):
        if tables[each].serializer:
            return f"input `{each}` is no table"
        if tables[each].columns is None:
            return f"input `{each}` declares no columns"
    return None
