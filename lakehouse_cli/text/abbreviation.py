"""Long texts shortened for display, the same in every message."""

from __future__ import annotations


def cut_end(text: str, limit: int) -> str:
    """The beginning of a text that is longer than `limit` characters.

    >>> cut_end("abcdef", 4), cut_end("abcd", 4)
    ('abc…', 'abcd')
    """
    return text if len(text) <= limit else text[: limit - 1] + "…"


def cut_middle(text: str, limit: int) -> str:
    """Both ends of a text that is longer than `limit` characters, since its ends distinguish names.

    >>> cut_middle("abcdefgh", 6)
    'abc…gh'
    """
    half = limit // 2
    return text if len(text) <= limit else f"{text[:half]}…{text[1 - half :]}"
