"""The values of partitions as Delta Lake has them: of a column each, text in the log, null for an empty one."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime
from typing import Any

import pyarrow as pa

from lakehouse_cli.errors import StorageError
from lakehouse_cli.model import Table
from lakehouse_cli.model.dimension import EVERY
from lakehouse_cli.model.partition import HIVE_NULL, Partition
from lakehouse_cli.model.period import PeriodError, first_moment


def partition_schema(table: Table, schema: pa.Schema) -> pa.Schema:
    """Return the columns by which a table is divided: of its data, with their types, or as text beside them.

    Args:
        table: The table.
        schema: Of its data, as they are stored.

    Raises:
        StorageError: Delta Lake cannot divide by one.
    """
    fields = []
    for name in table.partitions:
        kind = schema.field(name).type if name in schema.names else pa.string()
        if not (pa.types.is_string(kind) or pa.types.is_date(kind) or pa.types.is_integer(kind)):
            raise StorageError(
                f"column `{name}` of `{table.name}` is {kind}, by which Delta Lake does not divide",
                hint="declare the column as string, date32 or int64",
                location=table.where(f"columns.{name}", "columns"),
            )
        fields.append(pa.field(name, kind))
    return pa.schema(fields)


def typed_values(table: Table, partition: Partition, schema: pa.Schema) -> tuple[Any, ...]:
    """Return the values of a partition in the types of its columns.

    Raises:
        StorageError: There are such as Delta Lake cannot have.
    """
    found = []
    for name, text in zip(partition.dimensions, partition.values, strict=True):
        kind = schema.field(name).type
        try:
            found.append(_typed(text, kind))
        except ValueError:
            why = f"`{name}={text}` of `{table.name}` is no {kind}, as its column is declared"
            if not text:
                why = f"`{name}` of `{table.name}` is an empty text, which Delta Lake takes for null"
            hint = f"declare column `{name}` as string" if text else f"give `{name}` a value, or store it elsewhere"
            raise StorageError(why, hint=hint, location=table.where("partitions")) from None
    return tuple(found)


def _typed(text: str, kind: pa.DataType) -> Any:
    if text == HIVE_NULL:
        return None
    if pa.types.is_string(kind):
        if not text:
            raise ValueError(text)
        return text
    if pa.types.is_integer(kind):
        return int(text)
    for every in EVERY:
        with suppress(PeriodError):
            moment: date = first_moment(text, every)
            return moment.date() if isinstance(moment, datetime) else moment
    raise ValueError(text)


def in_log(value: Any) -> str | None:
    """Return a value as the log has it."""
    return None if value is None else str(value)
