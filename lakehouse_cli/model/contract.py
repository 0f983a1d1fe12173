"""What is promised of a table's data: its columns, its key, and what becomes of columns that are not declared."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from lakehouse_cli.model.column_type import ColumnType
from lakehouse_cli.model.declared import Declared
from lakehouse_cli.model.manifest import ColumnRecord

ExtraColumns = Literal["error", "drop", "keep"]


class Column(Declared, frozen=True):
    """One declared column.

    Attributes:
        name: As it stands in the header of stored data.
        type: Its Arrow type.
        nullable: Whether it may hold null.
        description: For docs.
        location: Where it is declared.
    """

    name: str
    type: ColumnType
    nullable: bool = True
    description: str | None = None


class Contract(Declared, frozen=True, dict=True):
    """The contract of a table.

    Attributes:
        columns: In order; None where none are declared (all columns as they come).
        key: Columns that identify a row; empty for none.
        extra_columns: What becomes of columns that a transform returns and `columns` does not name.
    """

    columns: tuple[Column, ...] | None = None
    key: tuple[str, ...] = ()
    extra_columns: ExtraColumns = "error"

    @cached_property
    def records(self) -> tuple[ColumnRecord, ...] | None:
        """The columns as manifests record them; None where none are declared."""
        if self.columns is None:
            return None
        return tuple([ColumnRecord(each.name, str(each.type), each.nullable) for each in self.columns])

    def may_be_null(self, column: str) -> bool:
        """Whether a column, declared or not, may hold null."""
        return column not in self.key and all(each.nullable for each in self.columns or () if each.name == column)
