"""What is promised of a table's data: its columns, its key, and what becomes of columns that are not declared."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from msgspec import field
from msgspec.structs import replace

from lakehouse_cli.errors import Location
from lakehouse_cli.model.check import Check
from lakehouse_cli.model.column_type import ColumnType
from lakehouse_cli.model.declaration import Declaration
from lakehouse_cli.model.manifest import ColumnRecord

ExtraColumns = Literal["error", "drop", "keep"]


class Column(Declaration, frozen=True):
    """One declared column.

    Attributes:
        name: In the header of stored data, where `from_` does not say otherwise.
        type: Its Arrow type.
        nullable: Whether it may hold null.
        description: For docs.
        options: Of the format, for this column alone: over those of the table.
        from_: Its name in the file, or its position from 1; None where it goes by its own name.
        sensitive: Whether its values are hidden in messages, documents and the history.
        optional: Whether a file of a source may lack it; then it is null there.
        checks: What its values must satisfy.
        location: Where it is declared.
        locations: Where each of its options stands.
    """

    name: str
    type: ColumnType
    nullable: bool = True
    description: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    from_: str | int | None = None
    sensitive: bool = False
    optional: bool = False
    checks: tuple[Check, ...] = ()
    locations: Mapping[str, Location] = field(default_factory=dict)

    @property
    def source_name(self) -> str | int:
        """What it goes by in the source: a name, or a position from 1."""
        return self.name if self.from_ is None else self.from_


class Contract(Declaration, frozen=True, dict=True):
    """The contract of a table.

    Attributes:
        columns: In order; None where none are declared (all columns as they come).
        key: Columns that identify a row; empty for none.
        extra_columns: What becomes of columns that a transform returns and `columns` does not name.
        checks: What the data must satisfy beyond types, those of columns first; each has a name of its own.
    """

    columns: tuple[Column, ...] | None = None
    key: tuple[str, ...] = ()
    extra_columns: ExtraColumns = "error"
    checks: tuple[Check, ...] = ()

    @cached_property
    def records(self) -> tuple[ColumnRecord, ...] | None:
        """The columns as manifests record them; None where none are declared."""
        if self.columns is None:
            return None
        return tuple([ColumnRecord(each.name, str(each.type), each.nullable) for each in self.columns])

    @property
    def placed(self) -> list[Column]:
        """The columns with options of their own, or with another name in the file."""
        return [each for each in self.columns or () if each.options or each.from_ is not None]

    @cached_property
    def of_partition(self) -> Contract:
        """The contract of one partition: of what is judged on the whole table, the value is only measured."""
        whole = {each.name for each in self.checks if each.kind == "freshness"}
        if not whole:
            return self
        return replace(self, checks=tuple([each.measured if each.name in whole else each for each in self.checks]))

    @property
    def column_options(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """The options of each column that has some of its own."""
        return tuple([(each.name, each.options) for each in self.columns or () if each.options])

    @cached_property
    def sensitive(self) -> frozenset[str]:
        """The columns whose values are hidden."""
        return frozenset([each.name for each in self.columns or () if each.sensitive])

    @property
    def has_other_names(self) -> bool:
        """Whether some column stands in the file under another name than its own."""
        return bool([each for each in self.columns or () if each.from_ is not None])

    def may_be_null(self, column: str) -> bool:
        """Whether a column, declared or not, may hold null."""
        return column not in self.key and all(each.nullable for each in self.columns or () if each.name == column)
