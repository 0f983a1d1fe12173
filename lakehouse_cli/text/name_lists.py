"""Lists of names as parts of a sentence, the same in every message."""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.invisible import visible


def first_few(names: Sequence[str], limit: int, noun: str = "") -> str:
    """The first few names, and how many more there are.

    >>> first_few(["a", "b", "c"], 2), first_few(["a", "b", "c"], 2, "more table")
    ('a, b and 1 more', 'a, b and 1 more table')

    Args:
        names: Any; of none the text is empty.
        limit: How many to name.
        noun: What to call the others; "more" by default.
    """
    more = len(names) - limit
    others = "" if more <= 0 else f" and {plural(more, noun) if noun else f'{count_text(more)} more'}"
    return ", ".join(names[:limit]) + others


def first_named(names: Sequence[str], limit: int) -> str:
    """The first few names, each in backticks, what cannot be seen in them as escapes.

    >>> first_named(["a", "b"], 1)
    '`a` and 1 more'
    """
    return first_few([*(f"`{visible(name)}`" for name in names[:limit]), *names[limit:]], limit)


def any_of(names: Sequence[str]) -> str:
    """Alternatives.

    >>> any_of(["a", "b", "c"]), any_of(["a"])
    ('a, b or c', 'a')
    """
    return f"{', '.join(names[:-1])} or {names[-1]}" if len(names) > 1 else names[0]
