"""Types of columns that are not declared: judged before they are published as declared ones are at load."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lakehouse_cli.errors import ContractError, TransformError, Violation
from lakehouse_cli.formats import find_form
from lakehouse_cli.formats.spec import Refusal
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.model.partition import PartitionColumns
from lakehouse_cli.model.unit import table_of
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.table_scan import same_columns_hint
from lakehouse_cli.storage.wrapper import innermost
from lakehouse_cli.storage_types import STORAGE_TYPES
from lakehouse_cli.text.counts import plural

if TYPE_CHECKING:
    import pyarrow as pa

# Differences of columns that are named one by one.
_NAMED = 3


def check_undeclared_types(storage: AssetStorage, table: Table, schema: pa.Schema, rows: int) -> None:
    """Check that a storage can hold the columns of a table that are not declared.

    Args:
        storage: Where it is to be published.
        table: As declared; types of its declared columns were judged when the project was loaded.
        schema: Of the data, in declarable types.
        rows: How many there are, as far as that is known.

    Raises:
        ContractError: It cannot; a violation for each column.
    """
    declared = {column.name for column in table.columns or ()}
    undeclared = [name for name in schema.names if name not in declared]
    if not undeclared:
        return
    from lakehouse_cli.arrow.types import from_arrow

    refused_by = refusals(storage, table)
    violations: list[Violation] = []
    for name in undeclared:
        column_type = from_arrow(schema.field(name).type)
        if column_type is None:
            continue
        for holder, why in ((holder, refusal(column_type)) for holder, refusal in refused_by):
            if why is not None:
                message = f"{holder} cannot hold column `{name}`, which is not declared: {why}"
                violations.append(Violation(name, "type", rows, message))
                break
    if violations:
        message = violations[0].message if len(violations) == 1 else plural(len(violations), "violation")
        hint = "declare a type that it holds, convert or drop the column in the transform, or choose another storage"
        raise ContractError(message, violations, hint=hint, location=table.where("columns", "storage"))


def check_columns_beside(table: Table, schema: pa.Schema, beside: PartitionColumns | None) -> None:
    """Check that the columns of a partition that are not declared are those of another one.

    Args:
        table: The partition.
        schema: Of its data, in declarable types.
        beside: The other one; None where there is none.

    Raises:
        TransformError: They are not, and the table could not be read as one.
    """
    if beside is None:
        return
    from lakehouse_cli.arrow.types import from_arrow

    if differences := column_differences(table, {e.name: str(from_arrow(e.type)) for e in schema}, beside):
        raise TransformError(
            f"result of {table_of(table).computed_by}: {differences}; partitions of a table have the same columns",
            hint=same_columns_hint(table_of(table)),
        )


def column_differences(table: Table, own: Mapping[str, str], beside: PartitionColumns) -> str:
    """Say how columns that are not declared, and their types, differ from those of another partition; empty if not."""
    other, columns, declared = str(beside[0]), dict(beside[1]), {each.name for each in table.columns or ()}
    names = [each for each in {**own, **columns} if each not in declared and own.get(each) != columns.get(each)]
    differences = [_difference(name, own.get(name), columns.get(name), other) for name in names[:_NAMED]]
    differences += [plural(len(names) - _NAMED, "more difference")] if len(names) > _NAMED else []
    return "; ".join(differences)


def _difference(name: str, own: str | None, others: str | None, other: str) -> str:
    if own is None:
        return f"no column `{name}`, which {other} has"
    return f"column `{name}`, which {other} lacks" if others is None else f"`{name}` is {own}, and {others} in {other}"


def refusals(storage: AssetStorage, table: Table) -> list[tuple[str, Refusal]]:
    """Return what refuses types of columns, by its name: the type of storage, then the format."""
    from lakehouse_cli.storage_types.own import refusal_of  # not loaded where all columns are declared

    storage = innermost(storage)
    spec: StorageSpec | None = getattr(storage, "spec", None)
    named = spec.type.partition(":")[2] if spec is not None else ""
    own = refusal_of(named or type(storage).__name__, getattr(storage, "cannot_hold", ()))
    built_in = STORAGE_TYPES.get(spec.type) if spec is not None else None
    written = find_form(table)
    found = [
        (
            f"storage type {spec.type}" if spec is not None else "the storage",
            own or (built_in.refusal if built_in else None),
        ),
        (f"format {table.format}", written.refusal if written else None),
    ]
    return [(holder, refusal) for holder, refusal in found if refusal is not None]
