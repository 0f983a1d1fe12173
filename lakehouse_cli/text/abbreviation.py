"""Long texts shortened for display, the same in every message."""

from __future__ import annotations

from lakehouse_cli.text.counts import count_text

_LINES, _CHARACTERS = 10, 1_000


def cut_message(text: str) -> str:
    """The beginning of a message of many lines or characters, and how much more `-v` shows.

    >>> cut_message("a" * 3_000)[999:]
    'a… (2,000 more characters; `-v` shows all)'
    """
    kept = "\n".join(text.split("\n", _LINES)[:_LINES])[:_CHARACTERS]
    more = len(text) - len(kept)
    if not more:
        return text
    whole_lines = text[len(kept)] == "\n"
    return f"{kept}{chr(10) if whole_lines else ''}… ({count_text(more)} more characters; `-v` shows all)"


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
