"""Results that break their contract, in words: where the contract stands, which code to look at, what to do."""

from __future__ import annotations

import inspect
from pathlib import Path

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.errors import ContractError, TransformError, Violation
from lakehouse_cli.model import Table
from lakehouse_cli.storage_types.duckdb import cast_hint
from lakehouse_cli.transforms import load_transform


def differing_batch(table: Table, number: int, first: pa.Schema, schema: pa.Schema) -> TransformError:
    """The error of a batch that has other columns than the first, where these are not declared."""
    names = [
        name for name in dict.fromkeys((*first.names, *schema.names)) if _type_in(first, name) != _type_in(schema, name)
    ]
    name = names[0] if names else schema.names[0]
    was, is_ = (_type_in(each, name) or "not there" for each in (first, schema))
    what = f"column `{name}` is {is_}" if names else "the columns are in another order"
    before = f", and {was} in the first" if names else ""
    return TransformError(
        f"result of {table.computed_by}: in batch {number}, {what}{before}",
        hint="make all batches of one schema, or declare `columns:`",
    )


def _type_in(schema: pa.Schema, name: str) -> pa.DataType | None:
    return schema.field(name).type if name in schema.names else None


def explain_contract(error: ContractError, table: Table, folder: Path) -> ContractError:
    """The error with the place of the contract, and what to do."""
    if table.query is not None:
        of_one = len(error.violations) == 1
        error.violations = tuple(_of_query(each, table) for each in error.violations)
        error.message = error.violations[0].message if of_one else error.message
    error.location = error.location or table.where("columns")
    error.hint = error.hint or f"fix {_place(table, folder)}, or relax the contract"
    return error


def _of_query(violation: Violation, table: Table) -> Violation:
    """A violation with what to do in a query, where it says what to do in Python."""
    found, _, hint = violation.message.partition("; ")
    types = {column.name: column.type for column in table.columns or ()}
    if violation.column not in types or not any(word in hint for word in ("in the transform", "`.")):
        return violation
    return replace(violation, message=f"{found}; {cast_hint(types[violation.column])}")


def _place(table: Table, folder: Path) -> str:
    """Name the computation and where it is defined."""
    if table.function is None:
        place = table.query.place(1) if table.query is not None else None
        return f"{table.computed_by} ({place})" if place is not None else table.computed_by
    transform = load_transform(table.function, folder, of_table=table.returns_table)
    code = getattr(inspect.unwrap(transform.fn), "__code__", None)
    if code is None:
        return f"`{transform.name}`"
    file = Path(code.co_filename)
    shown = file.relative_to(folder) if file.is_relative_to(folder) else file
    return f"`{transform.name}` ({shown}:{code.co_firstlineno})"
