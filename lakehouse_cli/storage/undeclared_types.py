"""Types of columns that are not declared: judged before they are published as declared ones are at load."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakehouse_cli.errors import ContractError, Violation
from lakehouse_cli.formats import find_form
from lakehouse_cli.formats.spec import Refusal
from lakehouse_cli.model import StorageSpec, Table
from lakehouse_cli.storage.base import AssetStorage
from lakehouse_cli.storage.wrapper import innermost
from lakehouse_cli.storage_types import STORAGE_TYPES
from lakehouse_cli.text.counts import plural

if TYPE_CHECKING:
    import pyarrow as pa


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
