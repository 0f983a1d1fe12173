"""Errors about data without the values of sensitive columns."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import UNSET
from msgspec.structs import replace

from lakehouse_cli.errors import HIDDEN, DataError, FailedRows, Violation
from lakehouse_cli.text.counts import plural


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
    if error.message in messages:
        error.message = messages[error.message]
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


def _without_values(failed: FailedRows, hidden: Collection[str], messages: dict[str, str]) -> FailedRows:
    rows = (
        replace(
            row,
            reasons=tuple(messages.get(reason, reason) for reason in row.reasons),
            values={
                name: HIDDEN if name in hidden and value is not None else value for name, value in row.values.items()
            },
        )
        for row in failed.rows
    )
    return replace(failed, rows=tuple(rows))
