"""Violations as they are found, and the rows that break them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import pyarrow as pa
from msgspec import UNSET
from msgspec.structs import replace

from lakehouse_cli.arrow.conversion.refusal import refusal_in, shown_values, texts_at
from lakehouse_cli.errors import KEPT_ROWS, DataError, Example, FailedRow, FailedRows, Violation

#: How many values of a row are kept.
_WIDEST = 200


class Findings:
    """Violations in the order in which they were found, each with its rows.

    Attributes:
        violations: What was found.
    """

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self._rows: list[pa.Array | None] = []

    def add(self, violation: Violation, rows: pa.Array | pa.ChunkedArray | None = None) -> None:
        """Add a violation.

        Args:
            violation: What breaks the contract.
            rows: 0-based positions, ascending; None where only the examples are known.
        """
        self.violations.append(violation)
        self._rows.append(rows)

    def row_numbers(self) -> list[int]:
        """List the 1-based numbers of the rows that are kept, ascending."""
        return sorted({row + 1 for rows in self._positions() for row in rows[:KEPT_ROWS]})[:KEPT_ROWS]

    def describe(self, error: DataError, source: pa.Table, key: Sequence[str], lines: Mapping[int, int]) -> None:
        """Give an error the violations, with lines and keys of their rows, and the rows.

        Args:
            error: Of these violations.
            source: The data as they came, of which no two columns have one name.
            key: Names of the columns of the key.
            lines: Those of a file, by 1-based row; empty where the data are not from one.
        """
        judged = [replace(violation, examples=_located(violation, source, key, lines)) for violation in self.violations]
        error.violations = tuple(judged)
        error.failed = self._failed(source, key, lines)

    def _positions(self) -> list[Sequence[int]]:
        return [
            [example.row - 1 for example in violation.examples if example.row is not None]
            if rows is None
            else rows[:KEPT_ROWS].to_pylist()
            for violation, rows in zip(self.violations, self._rows, strict=True)
        ]

    def _failed(self, source: pa.Table, key: Sequence[str], lines: Mapping[int, int]) -> FailedRows | None:
        reasons: dict[int, list[str]] = {}
        for violation, rows in zip(self.violations, self._positions(), strict=True):
            for row in rows:
                reasons.setdefault(row, []).append(violation.message)
        kept = sorted(reasons)[:KEPT_ROWS]
        if not kept:
            return None
        texts: dict[str, dict[int, str | None]] = {}
        broken = {name for each in self.violations for name in ([each.column] if each.column is not None else key)}
        # Those that are wrong first: a terminal may not have room for the others.
        for field in sorted(source.schema, key=lambda field: field.name not in broken):
            if len(texts) == _WIDEST:
                break
            refused = refusal_in(field)
            if refused is not None:  # no array has its values
                known: dict[int, str | None] = {
                    example.row - 1: example.value for example in refused.examples if example.row is not None
                }
                if known:
                    texts[field.name] = known
                continue
            with suppress(pa.ArrowException):  # of what is no array, such as indices beyond a dictionary
                texts[field.name] = dict(zip(kept, texts_at(source.column(field.name), kept), strict=True))
        names = list(texts)
        found = (
            FailedRow(
                row + 1,
                lines.get(row + 1),
                tuple(reasons[row]),
                {name: texts[name][row] for name in names if row in texts[name]},
            )
            for row in kept
        )
        return FailedRows(self._count(), tuple(names), tuple(found))

    def _count(self) -> int:
        examples = [pa.array(rows, pa.int64()) for rows in self._positions()]
        every = [
            few if rows is None else pa.chunked_array([rows] if isinstance(rows, pa.Array) else rows.chunks)
            for few, rows in zip(examples, self._rows, strict=True)
        ]
        chunks = [chunk.cast(pa.int64()) for each in every for chunk in getattr(each, "chunks", [each])]
        return len(pa.chunked_array(chunks, pa.int64()).unique())


def _located(
    violation: Violation, source: pa.Table, key: Sequence[str], lines: Mapping[int, int]
) -> tuple[Example, ...]:
    rows = [example.row for example in violation.examples if example.row is not None]
    keys: dict[int, str] = {}
    shows_key = violation.check == "key" and all(example.value != "null" for example in violation.examples)
    others = [name for name in key if name != violation.column]
    if others and not shows_key and set(key) <= set(source.column_names):
        texts = [shown_values(source.column(name), [row - 1 for row in rows]) for name in others]
        for row, values in zip(rows, zip(*texts, strict=True), strict=True):
            keys[row] = ", ".join(f"{name} {value}" for name, value in zip(others, values, strict=True))
    return tuple(
        example
        if example.row is None
        else replace(example, line=example.line or lines.get(example.row), key=keys.get(example.row, UNSET))
        for example in violation.examples
    )
