"""Columns as a transform returns them, accepted as what its table declares."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from msgspec import Struct
from msgspec.structs import replace

from lakehouse_cli.arrow.types import from_arrow
from lakehouse_cli.config.source import SourceFile
from lakehouse_cli.contracts import enforce
from lakehouse_cli.errors import ContractError, UsageError
from lakehouse_cli.model import Contract, Table
from lakehouse_cli.operations.transform_tests.columns_edit import with_columns
from lakehouse_cli.operations.transform_tests.computing import transforms_of
from lakehouse_cli.operations.transform_tests.generation import generate_rows
from lakehouse_cli.operations.transform_tests.rehearsal import hindrance
from lakehouse_cli.operations.transform_tests.yaml_edit import source_of
from lakehouse_cli.plan.project_code import ProjectCode


class ColumnChange(Struct, frozen=True):
    """The change of one column.

    Attributes:
        column: Its name.
        change: What becomes of it.
        type: As the transform returns it; None of one that goes.
        before: As it is declared; None of a new one.
    """

    column: str
    change: Literal["added", "removed", "changed"]
    type: str | None
    before: str | None


class Accepted(Struct, frozen=True):
    """What a table would declare.

    Attributes:
        table: The table.
        changes: By column; none where it declares what its transform returns.
        file: The file that declares it.
        text: Of that file with the changes; None where they cannot be written there.
        diff: The lines that change.
    """

    table: str
    changes: tuple[ColumnChange, ...]
    file: str
    text: str | None
    diff: tuple[str, ...]

    def to_json(self, *, written: bool) -> dict[str, Any]:
        """The same as JSON."""
        changes = [
            {"column": each.column, "change": each.change, "type": each.type, "before": each.before}
            for each in self.changes
        ]
        return {"table": self.table, "file": self.file, "changes": changes, "written": written, "diff": [*self.diff]}


def accept_columns(code: ProjectCode, table: Table, rows: int, seed: int) -> Accepted:
    """Call the transform of a table on rows made up, and compare what comes with what is declared.

    A declared type stays where the values convert to it exactly; nulls, key and checks stay as they are.

    Args:
        code: The project's.
        table: A computed table.
        rows: How many rows to make up for each input.
        seed: Decides their values.

    Raises:
        UsageError: The table cannot be rehearsed, or a column is of a type that cannot be declared.
        LakehouseError: The transform failed.
    """
    tables = code.spec.tables
    if table.kind == "source" or table.serializer:
        what = "is a source, which no transform computes" if table.kind == "source" else "is no table"
        raise UsageError(f"`{table.name}` {what}", hint="name a computed table")
    if (note := hindrance(code, table.name)) is not None:
        raise UsageError(f"`{table.name}` cannot be rehearsed: {note}", hint="change its `columns:` by hand")
    members = [_open(tables[each]) for each in code.graph.siblings(table.name) if not tables[each].quarantine_of]
    inputs = [each.table for each in code.graph.inputs[table.name]]
    given = {each: generate_rows(tables[each], rows, seed) for each in inputs}
    with transforms_of(code) as compute:
        result = compute(members, code.graph.inputs[table.name], given)[table.name]
    changes = _changes(table, result)
    file = table.location.file if table.location is not None else ""
    path: Path = code.folder / file
    source = source_of(path, file) if path.suffix in (".yaml", ".yml") else None
    text = None
    if changes and source is not None:
        types = {each.column: each.type for each in changes if each.type is not None}
        text = with_columns(source, table.name, types, [each.column for each in changes if each.type is None])
    lines: Sequence[str] = ()
    if source is not None and text is not None:
        after = SourceFile(path, file, text).lines
        lines = list(difflib.unified_diff(source.lines, after, file, file, n=2, lineterm=""))
    return Accepted(table.name, changes, file, text, tuple(lines))


def _open(table: Table) -> Table:
    """A table that takes all columns as they come."""
    return replace(table, contract=Contract(extra_columns="keep"), order_by=())


def _changes(table: Table, result: pa.Table) -> tuple[ColumnChange, ...]:
    declared = {column.name: str(column.type) for column in table.columns or ()}
    if table.columns is None:
        return tuple(ColumnChange(name, "added", _type(table, result, name), None) for name in result.column_names)
    try:
        enforce(result, table.columns, extra_columns=table.extra_columns)
    except ContractError as error:
        violations = error.violations
    else:
        return ()
    found = {}
    for each in violations:
        if each.column is None:
            continue
        if each.check == "missing":
            found[each.column] = ColumnChange(each.column, "removed", None, declared[each.column])
        elif each.check == "extra":
            found[each.column] = ColumnChange(each.column, "added", _type(table, result, each.column), None)
        elif each.check == "type":
            kind = _type(table, result, each.column)
            found[each.column] = ColumnChange(each.column, "changed", kind, declared[each.column])
    return tuple(found.values())


def _type(table: Table, result: pa.Table, name: str) -> str:
    kind = from_arrow(result.schema.field(name).type)
    if kind is None or pa.types.is_null(result.schema.field(name).type):
        raise UsageError(
            f"column `{name}` of what {table.computed_by} returns is {result.schema.field(name).type}, which no table"
            " declares",
            hint="give it a type in the transform, or declare the column by hand",
        )
    return str(kind)
