"""The error of a table, as a value and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct, to_builtins

from lakehouse_cli.errors import DataError, Example, LakehouseError, Location, TransformError, Violation


class ErrorInfo(Struct, frozen=True):
    """The error of a table, as a value.

    Attributes:
        type: Name of the error's kind.
        message: One sentence without a full stop.
        hint: What to do next.
        location: Its place in a file.
        violations: Each way in which data break their contract.
        frames: The user's own frames: (file, line, function, source line), innermost last.
        inputs: Shape of each input of a transform that raised: (parameter, table, rows, columns).
        traceback: Full text for ``-v``.
        note: The state of the stored data now.
    """

    type: str
    message: str
    hint: str | None = None
    location: Location | None = None
    violations: tuple[Violation, ...] = ()
    frames: tuple[tuple[str, int, str, str], ...] = ()
    inputs: tuple[tuple[str, str, int, int], ...] = ()
    traceback: str = ""
    note: str | None = None

    @classmethod
    def of(cls, error: LakehouseError, note: str | None = None) -> ErrorInfo:
        """Make a value of an error."""
        transform = error if isinstance(error, TransformError) else None
        return cls(
            type(error).__name__,
            error.message,
            error.hint,
            error.location,
            error.violations if isinstance(error, DataError) else (),
            transform.frames if transform else (),
            transform.inputs if transform else (),
            getattr(error, "traceback", ""),
            note,
        )


def location_json(location: Location | None) -> dict[str, Any] | None:
    """A place as JSON: file, line, column."""
    if location is None:
        return None
    return {"file": location.file, "line": location.line, "column": location.column}


def error_json(error: ErrorInfo | None) -> dict[str, Any] | None:
    """A table's error as `cli.md` documents it."""
    if error is None:
        return None
    return {
        "type": error.type,
        "message": error.message,
        "hint": error.hint,
        "location": location_json(error.location),
        "violations": violations_json(error.violations),
    }


def violations_json(violations: Sequence[Violation]) -> list[dict[str, Any]]:
    """Violations as JSON: column, check, count, message, examples, where the contract says so."""
    return [
        to_builtins(violation)
        | {
            "examples": [_example_json(example) for example in violation.examples],
            "location": location_json(violation.location),
        }
        for violation in violations
    ]


def _example_json(example: Example) -> dict[str, Any]:
    """Row and value; line and key where they are known."""
    known = {"line": example.line, "key": example.key or None}
    known |= {"file": example.file or None, "file_row": example.file_row or None}
    document = {"row": example.row, "value": example.value}
    return document | {name: value for name, value in known.items() if value is not None}
