"""The tree of a SELECT of SQLite, as far as it says what is compared with what."""

from __future__ import annotations

from msgspec import Struct


class Expression(Struct, frozen=True, eq=False):
    """An expression.

    Attributes:
        kind: ``text``, ``number``, ``blob``, ``param``, ``constant``, ``column``, ``call``, ``cast``, ``select``,
            ``row``, ``compare``, ``test`` of parts that are true or false, ``case`` of its results, ``||`` of any
            number of parts, ``->``, ``arithmetic``, or ``same`` as its part without its affinity.
        begin: Its 0-based offset.
        value: The literal, without its quotes; the name, operator or type, in small letters.
        parts: What it is made of.
        others: What stands in it beside these: conditions, windows.
        table: The name before the point of a column.
        select: A subquery.
    """

    kind: str
    begin: int
    value: str = ""
    parts: tuple[Expression, ...] = ()
    others: tuple[Expression, ...] = ()
    table: str = ""
    select: Select | None = None


class Item(Struct, frozen=True):
    """A column of a result; without an expression, all columns of a table, or of all.

    Attributes:
        name: What it is called; empty where the text of an expression is its name.
        expression: What it is.
    """

    name: str
    expression: Expression | None


class Source(Struct, frozen=True):
    """What FROM names.

    Attributes:
        name: Of a table, or of a function that gives one; empty for a subquery.
        alias: What the query calls it.
        begin: Its 0-based offset.
        select: The subquery.
        using: The columns by which it is joined to those before it; None for all of one name.
    """

    name: str
    alias: str
    begin: int
    select: Select | None = None
    using: tuple[str, ...] | None = ()


class Core(Struct, frozen=True):
    """One SELECT, or one row of VALUES.

    Attributes:
        items: What it returns.
        sources: What it reads.
        others: All other expressions.
    """

    items: tuple[Item, ...]
    sources: tuple[Source, ...] = ()
    others: tuple[Expression, ...] = ()


class Clause(Struct, frozen=True):
    """A subquery that WITH names, and the names of its columns, where they are given."""

    name: str
    columns: tuple[str, ...]
    select: Select


class Select(Struct, frozen=True):
    """SELECTs that UNION and its like put together, with what stands before and behind them."""

    begin: int
    clauses: tuple[Clause, ...]
    cores: tuple[Core, ...]
    others: tuple[Expression, ...]
