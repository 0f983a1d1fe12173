"""Causes in messages: what the operating system says, and of many parts those that say the same as one."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar
from urllib.parse import quote

_Part = TypeVar("_Part")
_NO_WORD = re.compile(r"[^0-9A-Za-z]")


def without_values(message: str, values: Iterable[str]) -> str:
    """A message about a part without the values that name that, however a path writes them.

    >>> without_values("raw/sales_20240103.csv has no 2024-01-03", ["2024-01-03"])
    'raw/sales_….csv has no …'
    """
    for value in sorted({*values}, key=len, reverse=True):
        for written in (value, quote(value, safe=""), _NO_WORD.sub("", value)):
            if written:
                message = message.replace(written, "…")
    return message


def by_cause(found: Iterable[tuple[_Part, Hashable]]) -> list[list[_Part]]:
    """Parts, those of one cause together, in the order of the first of each."""
    causes: dict[Hashable, list[_Part]] = {}
    for part, cause in found:
        causes.setdefault(cause, []).append(part)
    return [*causes.values()]


def joined(messages: Sequence[str], *, by_partition: bool) -> str:
    """Messages in one line, which names partitions once where it is by partition, and all are about the same ones."""
    subjects = {message.partition(": ")[0] for message in messages}
    if not by_partition or len(messages) < 2 or len(subjects) > 1:
        return "; ".join(messages)
    return f"{subjects.pop()}: {'; '.join(message.partition(': ')[2] for message in messages)}"


def system_reason(error: OSError) -> str:
    """What the operating system says, to follow a colon."""
    reason = error.strerror or str(error) or type(error).__name__
    return reason[:1].lower() + reason[1:]
