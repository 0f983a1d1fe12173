"""The results of tests, and the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct, field

from lakehouse_cli.errors import Location
from lakehouse_cli.operations.transform_tests.comparer import Difference, Row
from lakehouse_cli.runs.error_info import ErrorInfo, error_json, location_json

Status = Literal["passed", "failed", "errored"]


class TestResult(Struct, frozen=True):
    """The result of one test.

    Attributes:
        table: The table that it stands in.
        name: Its name.
        status: ``failed`` where the result is another than expected, ``errored`` where there is none.
        location: Where it stands.
        duration_s: Seconds that it took.
        message: What is wrong, in a sentence; empty where it passed.
        differences: By result, its name empty for the one of the table.
        error: What the transform raised, or how its result breaks the contract.
        notes: Which checks are not judged, and why.
    """

    __test__ = False  # pytest takes it for a test otherwise

    table: str
    name: str
    status: Status
    location: Location
    duration_s: float
    message: str = ""
    differences: Mapping[str, Difference] = field(default_factory=dict)
    error: ErrorInfo | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "table": self.table,
            "name": self.name,
            "status": self.status,
            "duration_s": round(self.duration_s, 6),
            "message": self.message or None,
            "location": location_json(self.location),
            "differences": [_difference_json(name, each) for name, each in self.differences.items()],
            "error": None if self.error is None else error_json(self.error),
            "notes": list(self.notes),
        }


class TestRun(Struct, frozen=True):
    """The results of all tests that were selected.

    Attributes:
        project: The project's name.
        tests: In the order of the project.
        notes: What there is to say of the selection, and of checks that are not judged.
    """

    __test__ = False

    project: str
    tests: tuple[TestResult, ...]
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether all tests passed."""
        return all(each.status == "passed" for each in self.tests)

    def to_json(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "project": self.project,
            "status": "passed" if self.passed else "failed",
            "tests": [each.to_json() for each in self.tests],
        }


def _difference_json(result: str, found: Difference) -> dict[str, Any]:
    def row(cells: Row) -> dict[str, str | None]:
        return dict(zip(found.columns, cells, strict=True))

    def rows(of: Sequence[Row]) -> list[dict[str, str | None]]:
        return [row(cells) for cells in of]

    return {
        "result": result or None,
        "columns": list(found.columns),
        "expected_rows": found.expected_rows,
        "result_rows": found.result_rows,
        "order": "other" if found.moved else "same",
        "missing": rows(found.missing),
        "unexpected": rows(found.unexpected),
        "changed": [
            {
                "expected": row(each.expected),
                "result": row(each.result),
                "columns": [found.columns[index] for index in each.columns],
            }
            for each in found.changed
        ],
    }
