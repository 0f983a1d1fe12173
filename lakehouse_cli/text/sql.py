"""Names and texts as SQL has them."""

from __future__ import annotations

from collections.abc import Iterable


def quote(name: str) -> str:
    """Return a name as SQL.

    >>> print(quote('say "x" now'))
    "say ""x"" now"
    """
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Return a text as SQL, for databases in which a backslash is a backslash.

    >>> literal("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def literals(texts: Iterable[str]) -> str:
    """Texts as a list in SQL; of one null where there are none, as SQL knows no empty list."""
    return f"({', '.join(map(literal, texts)) or 'NULL'})"
