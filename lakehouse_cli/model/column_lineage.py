"""Which columns of its inputs each column of a table comes from."""

from __future__ import annotations

from msgspec import Struct, field

#: How columns that are not in a value decide it: which rows there are, which belong together, which come first.
BY = ("filter", "join", "group", "order", "window")


class ColumnRef(Struct, frozen=True):
    """A column of a table."""

    table: str
    column: str


class IndirectRef(Struct, frozen=True):
    """A column that decides a value without being in it.

    Attributes:
        table: The table that has it.
        column: Its name.
        by: How: one of `BY`.
    """

    table: str
    column: str
    by: str


class ColumnLineage(Struct, frozen=True):
    """What one column of a table comes from.

    Attributes:
        name: The column.
        sources: What its values are computed from, written as ``from``; empty where no column is, as in ``count(*)`` or
            a source; None where that is not known.
        indirect: What else decides this column, and not all columns of the table.
    """

    name: str
    sources: tuple[ColumnRef, ...] | None = field(name="from")
    indirect: tuple[IndirectRef, ...] = ()


class QueryLineage(Struct, frozen=True):
    """What the columns of a query's result come from, by the names that the query has for its inputs.

    Attributes:
        columns: In the order of the result.
        indirect: What decides all columns: the rows that there are.
        unknown: Why it is not known; None where it is.
    """

    columns: tuple[ColumnLineage, ...] = ()
    indirect: tuple[IndirectRef, ...] = ()
    unknown: str | None = None


class TableLineage(Struct, frozen=True):
    """What the columns of one table come from.

    Attributes:
        name: The table.
        level: What is known: ``source`` (it is computed from nothing), ``columns``, ``table`` (each column may come
            from all columns of all inputs) or ``unknown`` (likewise, of a query).
        inputs: The tables that it is computed from.
        columns: In the order of the table; None where they are not known.
        indirect: What decides all columns: the rows that there are.
        unknown: Why it is not known; None for other levels.
    """

    name: str
    level: str
    inputs: tuple[str, ...] = ()
    columns: tuple[ColumnLineage, ...] | None = None
    indirect: tuple[IndirectRef, ...] = ()
    unknown: str | None = None
