"""The types of a query's result judged by a contract, from the SQL types of its columns alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import pyarrow as pa

from lakehouse_cli.arrow.conversion.exact import is_convertible
from lakehouse_cli.arrow.conversion.stand_in import refused_field
from lakehouse_cli.arrow.types import to_arrow, without_rows
from lakehouse_cli.contracts import enforce
from lakehouse_cli.errors import ContractError, Violation
from lakehouse_cli.model import Column, ColumnType, Table
from lakehouse_cli.storage.relational.contract_sql import Conversion, JudgedColumn, is_text
from lakehouse_cli.text.sql import how_to_cast, quote


class TypeRules(Protocol):
    """What of a `lakehouse_cli.storage.relational.dialect.QueryDialect` takes no connection."""

    def natural(self, stored: str) -> ColumnType | None:
        """As `QueryDialect.natural`."""

    def conversion(self, column: str, stored: str, declared: ColumnType) -> Conversion | None:
        """As `QueryDialect.conversion`."""

    def cast(self, declared: ColumnType, returned: ColumnType | None) -> str | None:
        """As `QueryDialect.cast`."""


class TypedResult(NamedTuple):
    """What the types of a result say.

    Attributes:
        empty: A table without rows of the stored columns; without columns where there are violations.
        dropped: The names of the columns that are dropped.
        conversions: How values become those of each stored column.
        judged: What is to be judged of values.
        violations: What breaks the contract, whatever the values.
    """

    empty: pa.Table
    dropped: tuple[str, ...]
    conversions: dict[str, Conversion]
    judged: list[JudgedColumn]
    violations: tuple[Violation, ...]


def judge_types(rules: TypeRules, table: Table, columns: Mapping[str, str]) -> TypedResult:
    """Judge names and types of a result as any result is judged.

    Args:
        rules: Of the database.
        table: With the contract.
        columns: SQL type of each column of the result, by name.
    """
    declared = {column.name: column for column in table.columns or ()}
    conversions: dict[str, Conversion] = {}
    fields: list[pa.Field] = []
    judged: list[JudgedColumn] = []
    for name, stored in columns.items():
        column = declared.get(name)
        wanted = column.type if column is not None else rules.natural(stored)
        found = None if wanted is None else rules.conversion(quote(name), stored, wanted)
        if found is None or wanted is None:
            fields.append(refused_field(name, _unconvertible(name, stored, column, rules)))
        else:
            conversions[name] = found
            fields.append(pa.field(name, to_arrow(wanted)))
            judged.append(JudgedColumn(name, found.faults, column, is_text(wanted)))
    shape = without_rows(pa.schema(fields))
    try:
        enforced = enforce(shape, table.columns, key=table.key, extra_columns=table.extra_columns)
    except ContractError as error:
        return TypedResult(without_rows(pa.schema([])), (), conversions, judged, tuple(error.violations))
    return TypedResult(enforced.table, enforced.dropped, conversions, judged, ())


def _unconvertible(name: str, stored: str, column: Column | None, rules: TypeRules) -> Violation:
    if column is None:
        message = f"`{name}` is {stored}, which no column type holds exactly; declare it, or cast it in the query"
        return Violation(name, "type", 0, message)
    natural = rules.natural(stored)
    way = rules.cast(column.type, natural)
    # Databases cast not all nested types.
    if column.type.is_nested and not (natural and is_convertible(to_arrow(natural), to_arrow(column.type))):
        way = None
    how = how_to_cast(str(column.type), way)
    message = f"`{name}` is declared {column.type}, and the query returns {stored}; {how}"
    return Violation(name, "type", 0, message, (), column.location)
