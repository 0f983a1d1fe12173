"""Counts as text, the same in every message and table."""

from __future__ import annotations


def count_text(count: int | None) -> str:
    """A count, its digits grouped: ``10,000,000``; nothing for None."""
    return "" if count is None else f"{count:,}"


def plural(count: int, noun: str) -> str:
    """A count and its noun.

    >>> plural(1, "row"), plural(2000, "row")
    ('1 row', '2,000 rows')
    """
    return f"{count_text(count)} {noun}{'' if count == 1 else 's'}"


def with_article(noun: str) -> str:
    """A noun with "a" or "an".

    >>> with_article("list"), with_article("ibis.Table")
    ('a list', 'an ibis.Table')
    """
    return f"{'an' if noun[0].lower() in 'aeio' else 'a'} {noun}"
