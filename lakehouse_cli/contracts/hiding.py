"""Errors without the values of sensitive columns: about data, and of transforms that were given such."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from lakehouse_cli.errors import HIDDEN, DataError, FailedRows, LakehouseError, TransformError, Violation
from lakehouse_cli.text.counts import plural

# Shorter texts may stand within other words by chance.
_DISTINCT = 4


def hide_given(error: LakehouseError, columns: Iterable[Callable[[], Iterable[Any]]]) -> None:
    """Mask the values of sensitive columns of its inputs in what a transform raised.

    Args:
        error: To be changed, where it is of a transform.
        columns: Gives the values of each such column; where one cannot, only the kind of what was raised is kept.
    """
    columns = [*columns]
    if not columns or not isinstance(error, TransformError):
        return
    said = "\n".join((error.message, error.exception, error.traceback, error.hint or ""))
    found: set[str] = set()
    try:
        for values in columns:
            for value in values():
                found.update(text for text in _spellings(value) if text in said)
    except Exception:  # noqa: BLE001  # such as of a file that has gone since: the error must be shown all the same
        if not error.exception and " failed: " not in error.message:  # our own words
            return
        brief = error.message.partition(": ")[0]
        error.message = f"{brief}; what it says is not shown, as it may show sensitive values"
        error.exception, error.traceback = error.exception.partition(":")[0], ""
        error.hint = "correct the code, or the data that it reads"
        return
    if not found:
        return
    masks = re.compile("|".join(_pattern(text) for text in sorted(found, key=len, reverse=True)))
    error.message, error.exception, error.traceback = (
        masks.sub(HIDDEN, text) for text in (error.message, error.exception, error.traceback)
    )
    error.hint = error.hint and masks.sub(HIDDEN, error.hint)


def _spellings(value: Any) -> Iterator[str]:
    """How a value may stand in a message; of a list or a struct, each of its values."""
    if value is None or value == "":
        return
    if isinstance(value, dict | list | tuple):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _spellings(each)
    elif isinstance(value, str | bytes):
        quoted = repr(value)
        yield from {str(value), quoted[quoted.index(quoted[-1]) + 1 : -1]}
    else:
        yield from {str(value), repr(value)}
        if isinstance(value, datetime):  # whatever writes the zone
            yield repr(value.replace(tzinfo=None)).removesuffix(")")
        if isinstance(value, float) and value.is_integer():
            yield str(int(value))
        if hasattr(value, "isoformat"):
            yield value.isoformat()


def _pattern(text: str) -> str:
    return re.escape(text) if len(text) >= _DISTINCT else rf"(?<!\w){re.escape(text)}(?!\w)"


def hide_data(error: LakehouseError) -> None:
    """Take the data that an error shows, of a table with sensitive columns, out of its message and hint."""
    for text in sorted(filter(str.strip, error.shown_data), key=len, reverse=True):
        error.message = error.message.replace(text, HIDDEN)
        error.hint = error.hint and error.hint.replace(text, HIDDEN)
    error.shown_data = ()


def hide_sensitive(error: DataError, hidden: Collection[str], key: Collection[str] = ()) -> None:
    """Take the values of sensitive columns out of an error: of messages, examples and rows.

    Args:
        error: To be changed.
        hidden: Names of the columns.
        key: Those of the table's key, whose values examples name.
    """
    if not hidden:
        return
    before = error.violations
    error.violations = tuple(_hidden(each, hidden, key) for each in before)
    messages = {old.message: new.message for old, new in zip(before, error.violations, strict=True)}
    values = [example.value for each in before if each.column in hidden for example in each.examples]
    names = [f"column `{name}`" for name in hidden]
    said = next((message for message in messages if message in error.message), None)
    if said is not None:
        error.message = error.message.replace(said, messages[said])
    elif any(text and text in error.message for text in (*values, *names)):
        shown = next((each for each in error.violations if each.column in hidden), None)
        error.message = shown.message if shown is not None else "a sensitive column has values that are not as declared"
    if error.failed is not None:
        error.failed = _without_values(error.failed, hidden, messages)


def _hidden(violation: Violation, hidden: Collection[str], key: Collection[str]) -> Violation:
    is_sensitive = violation.column in hidden or (violation.check == "key" and any(name in hidden for name in key))
    examples = [
        replace(
            each,
            value=HIDDEN if is_sensitive and each.value != "null" else each.value,
            key=HIDDEN if each.key is not UNSET and any(name in hidden for name in key) else each.key,
        )
        for each in violation.examples
    ]
    message = violation.message
    if is_sensitive and violation.check == "type":
        are = "is" if violation.count == 1 else "are"
        message = f"{plural(violation.count, 'value')} of column `{violation.column}` {are} not as declared"
    return replace(violation, examples=tuple(examples), message=message)


def hide_kept(failed: FailedRows, hidden: Collection[str]) -> FailedRows:
    """Rows that were kept, without the values of columns that have become sensitive since."""
    shown = {row.values.get(name) for row in failed.rows for name in hidden} - {None, HIDDEN}
    reasons = dict.fromkeys(reason for row in failed.rows for reason in row.reasons)
    said = {reason: reason for reason in reasons}
    for value in sorted(filter(None, shown), key=len, reverse=True):
        said = {reason: text.replace(value, HIDDEN) for reason, text in said.items()}
    return _without_values(failed, hidden, said)


def _without_values(failed: FailedRows, hidden: Collection[str], messages: dict[str, str]) -> FailedRows:
    rows = (
        replace(
            row,
            reasons=tuple(messages.get(reason, reason) for reason in row.reasons),
            values={
                # What a check made may hold them under other names.
                name: HIDDEN if row.row is None or (name in hidden and value is not None) else value
                for name, value in row.values.items()
            },
        )
        for row in failed.rows
    )
    written = failed.written
    if written is not None:
        reasons = tuple(None if each is None else messages.get(each, each) for each in written.reasons)
        written = replace(written, reasons=reasons)
    return replace(failed, rows=tuple(rows), written=written)
