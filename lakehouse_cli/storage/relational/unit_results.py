"""The columns of a partition that are dimensions, of a result that is in the database: filled in, and judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from lakehouse_cli.errors import ContractError, Violation
from lakehouse_cli.model import Table
from lakehouse_cli.storage.relational.contract_sql import JudgedColumn, judge_partition
from lakehouse_cli.storage.relational.session import Session


def filled(empty: pa.Table, table: Table, row: pa.Table | None) -> pa.Table:
    """Return a result without rows with the columns that are dimensions, in the order of the contract.

    Args:
        empty: The columns that the query gave.
        table: With the contract.
        row: The values of the columns that are dimensions; None for a whole table.

    Raises:
        ContractError: The value of a column that it lacks is null, and may not be.
    """
    strict = {each.name for each in table.columns or () if not each.nullable} | {*table.key}
    for field in () if row is None else row.schema:
        if field.name not in empty.column_names:
            if row is not None and row.column(field.name).null_count and field.name in strict:
                message = f"column `{field.name}` is null in its partition, and is declared `nullable: false`"
                place = table.where(f"columns.{field.name}", "columns")
                violation = Violation(field.name, "null", 1, message, (), place)
                raise ContractError(message, [violation], hint="let the column be null", location=place)
            empty = empty.append_column(field, pa.chunked_array([], field.type))
    declared = [each.name for each in table.columns or () if each.name in empty.column_names]
    return empty.select([*declared, *(name for name in empty.column_names if name not in declared)])


def refuse_others(
    session: Session,
    table: Table,
    source: str,
    columns: Sequence[JudgedColumn],
    values: Mapping[str, tuple[str, str]],
) -> None:
    """Refuse rows of other partitions.

    Args:
        session: The transaction.
        table: The partition.
        source: What has the rows, as SQL that can stand in FROM.
        columns: Those whose values are shown.
        values: Of each column that is a dimension, its values and that of the partition, as SQL.

    Raises:
        ContractError: There are some.
    """
    others = {
        name: f"NOT COALESCE({value} = {own}, {value} IS NULL AND {own} IS NULL)"
        for name, (value, own) in values.items()
    }
    if not others:
        return
    found = judge_partition(session, source, columns, others, f"{table.partition}", table.contract.sensitive)
    if violations := found.violations:
        hint = "return the rows of the partition alone, or leave the column out: it is filled in"
        error = ContractError(violations[0].message, violations, hint=hint, location=violations[0].location)
        error.failed = found.failed
        raise error
