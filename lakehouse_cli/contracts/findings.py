"""Violations as they are found, piece by piece of a table, and the rows that break the contract."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeAlias

import pyarrow as pa
from msgspec import UNSET
from msgspec.structs import replace

from lakehouse_cli.arrow.conversion.refusal import EXAMPLES, shown_values, texts_at
from lakehouse_cli.errors import (
    HIDDEN,
    KEPT_ROWS,
    DataError,
    Example,
    FailedRow,
    FailedRows,
    Violation,
)
from lakehouse_cli.model.row_place import FileLine, RowPlace, placed

#: How many values of a row are kept.
_WIDEST = 200
#: Positions in a piece, ascending.
Rows: TypeAlias = pa.Array | pa.ChunkedArray


class _Finding:
    """One way in which the contract is broken, in however many pieces."""

    def __init__(
        self, violation: Violation, say: Callable[[int], str] | None, columns: Sequence[str] | None = None
    ) -> None:
        self.violation = violation
        self.columns: Sequence[str] = columns or ()
        self._say = say
        self.rows: list[int] = []

    def merge(self, other: Violation) -> None:
        mine, count = self.violation, self.violation.count + other.count
        message = mine.message if self._say is None else self._say(count)
        examples = (*mine.examples, *other.examples)[:EXAMPLES]
        self.violation = replace(mine, count=count, message=message, examples=examples)


class _Piece(NamedTuple):
    """What was found in the piece at hand: the finding, its violation in this piece, its rows."""

    finding: _Finding
    violation: Violation
    rows: Rows | None


class Findings:
    """Violations in the order in which they were found, each with its rows.

    A table comes as one piece or as many; what is found in a piece counts once it is at its end.

    Args:
        hidden: The columns whose values are not shown.
    """

    def __init__(self, hidden: Collection[str] = ()) -> None:
        self._hidden = hidden
        self._findings: dict[tuple[str | None, str, str], _Finding] = {}
        self._piece: list[_Piece] = []
        self._before = 0  # rows of earlier pieces
        self._count = 0  # rows that break the contract
        self._kept: dict[int, dict[str, str | None]] = {}
        self._names: dict[str, None] = {}
        self._broken: set[str] = set()  # columns in which anything was found

    def found(self, column: str | None, check: str, message: str) -> Violation | None:
        """The violation that was added of a column, a check, and a message of two rows; None where there is none."""
        finding = self._findings.get((column, check, message))
        return None if finding is None else finding.violation

    @property
    def violations(self) -> list[Violation]:
        """What was found."""
        return [each.violation for each in self._findings.values()]

    def add(
        self,
        violation: Violation,
        rows: Rows | None = None,
        say: Callable[[int], str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> None:
        """Add a violation of the piece at hand.

        Args:
            violation: What breaks the contract; rows of its examples count from 1 in this piece.
            rows: 0-based positions in this piece, ascending; None where only the examples are known.
            say: The message for so many rows or values; None where it has no count.
            columns: Those that it is about; None where its own says so, or the key.
        """
        if violation.column in self._hidden:
            violation = hide_values(violation)
        key = (violation.column, violation.check, violation.message if say is None else say(2))
        finding = self._findings.get(key)
        if finding is None:
            finding = self._findings[key] = _Finding(replace(violation, count=0, examples=()), say, columns)
        self._piece.append(_Piece(finding, violation, rows))

    def add_of_all(
        self,
        violation: Violation,
        rows: Sequence[int],
        source: pa.Table,
        say: Callable[[int], str] | None = None,
    ) -> None:
        """Add a violation that only all pieces show; beyond those kept, a row in which more was found counts twice.

        Args:
            violation: What breaks the contract.
            rows: 0-based positions in the whole table, ascending, of the first that do.
            source: The columns that it concerns, of those rows.
            say: As of `add`.
        """
        if self._hidden and any(name in self._hidden for name in source.column_names):
            violation = hide_values(violation)
        finding = _Finding(violation, say)
        message = violation.message if say is None else say(2)
        self._findings[violation.column, violation.check, message] = finding
        finding.columns = source.column_names
        finding.rows = list(rows[:KEPT_ROWS])
        self._broken.update(finding.columns)
        known = sum(row in self._kept for row in rows)
        self._count += violation.count - known
        kept = finding.rows[: KEPT_ROWS - len(self._kept)]
        self._keep(source, range(len(kept)), kept)

    @property
    def is_piece_clean(self) -> bool:
        """Whether nothing was found in the piece at hand."""
        return not self._piece

    def end_piece(self, source: pa.Table, key: Sequence[str]) -> None:
        """Take what was found in a piece: keys and values of its rows.

        Args:
            source: The piece as it came, of which no two columns have one name.
            key: Names of the columns of the key.
        """
        piece, self._piece, before = self._piece, [], self._before
        self._before += source.num_rows
        if not piece:
            return
        positions: dict[int, None] = {}
        for finding, violation, _ in piece:
            finding.columns = finding.columns or (key if violation.column is None else [violation.column])
            self._broken.update(finding.columns)
        for finding, violation, rows in piece:
            if (
                rows is None
                and finding.violation.count
                and finding.violation.check in ("missing", "extra", "duplicate")
            ):
                continue  # a column that is not there is missing once
            examples = _with_keys(violation, source, key, self._hidden)
            shifted = tuple(each if each.row is None else replace(each, row=before + each.row) for each in examples)
            finding.merge(replace(violation, examples=shifted))
            found = [each.row - 1 for each in violation.examples if each.row is not None]
            kept = found if rows is None else rows[:KEPT_ROWS].to_pylist()
            finding.rows += [before + row for row in kept][: KEPT_ROWS - len(finding.rows)]
            positions.update(dict.fromkeys(kept))
        self._count += _distinct(piece)
        first = sorted(positions)[: KEPT_ROWS - len(self._kept)]
        self._keep(source, first, [before + row for row in first])

    def _keep(self, source: pa.Table, rows: Sequence[int], numbers: Sequence[int]) -> None:
        """Keep the values of some rows of a piece, as text, by their 0-based positions in the whole table."""
        if not rows:
            return
        kept: dict[int, dict[str, str | None]] = {row: {} for row in rows}
        # Those that are wrong first: a terminal may not have room for the others.
        for field in sorted(source.schema, key=lambda field: field.name not in self._broken):
            if len(self._names) == _WIDEST and field.name not in self._names:
                break
            with suppress(pa.ArrowException):  # of what is no array, such as indices beyond a dictionary
                texts = texts_at(source.column(field.name), rows)
                if field.name in self._hidden:
                    texts = [None if text is None else HIDDEN for text in texts]
                self._names[field.name] = None
                for row, text in zip(rows, texts, strict=True):
                    kept[row][field.name] = text
        for number, values in zip(numbers, kept.values(), strict=True):
            self._kept.setdefault(number, values)

    def row_numbers(self) -> list[int]:
        """List the 1-based numbers of the rows that are kept, ascending."""
        return [row + 1 for row in sorted(self._kept)]

    def describe(self, error: DataError, lines: Mapping[int, RowPlace]) -> None:
        """Give an error the violations, with the lines of their rows, and the rows.

        Args:
            error: Of these violations.
            lines: Those of a file, by 1-based row; empty where the data are not from one.
        """
        error.violations = tuple(with_lines(each, lines) for each in self.violations)
        reasons: dict[int, list[_Finding]] = {}
        for finding in self._findings.values():
            for row in finding.rows:
                reasons.setdefault(row, []).append(finding)
        names = tuple(sorted(self._names, key=lambda name: name not in self._broken))
        error.failed = (
            None
            if not self._kept
            else FailedRows(
                min(self._count, self._before) if self._before else self._count,
                names,
                tuple(
                    FailedRow(
                        row + 1,
                        place.line if isinstance(place := lines.get(row + 1), FileLine) else place,
                        tuple(finding.violation.message for finding in reasons.get(row, ())),
                        {name: values[name] for name in names if name in values},
                        tuple(dict.fromkeys(name for finding in reasons.get(row, ()) for name in finding.columns)),
                        place.file if isinstance(place, FileLine) else UNSET,
                    )
                    for row, values in sorted(self._kept.items())
                ),
            )
        )


def _distinct(piece: Sequence[_Piece]) -> int:
    """Count the rows of a piece in which anything was found."""
    if len(piece) == 1 and piece[0].rows is not None:
        return len(piece[0].rows)
    chunks = []
    for _, violation, rows in piece:
        known = [each.row - 1 for each in violation.examples if each.row is not None] if rows is None else rows
        every = pa.array(known, pa.int64()) if isinstance(known, list) else known
        chunks += [chunk.cast(pa.int64()) for chunk in getattr(every, "chunks", [every])]
    return len(pa.chunked_array(chunks, pa.int64()).unique())


def with_lines(violation: Violation, lines: Mapping[int, RowPlace]) -> Violation:
    """The violation with the lines of its examples, by 1-based row."""
    examples = tuple(each if each.row is None else placed(each, lines.get(each.row)) for each in violation.examples)
    return replace(violation, examples=examples)


def hide_values(violation: Violation) -> Violation:
    """The violation without the values of its examples."""
    hidden = (each if each.value == "null" else replace(each, value=HIDDEN) for each in violation.examples)
    return replace(violation, examples=tuple(hidden))


def _with_keys(
    violation: Violation, source: pa.Table, key: Sequence[str], hidden: Collection[str]
) -> tuple[Example, ...]:
    """The examples of a violation with the keys of their rows, where these do not show them already."""
    shows_key = violation.check == "key" and all(example.value != "null" for example in violation.examples)
    others = [name for name in key if name != violation.column]
    if not others or shows_key or not set(key) <= set(source.column_names):
        return violation.examples
    rows = [example.row for example in violation.examples if example.row is not None]
    at = [row - 1 for row in rows]
    texts = [[HIDDEN] * len(at) if name in hidden else shown_values(source.column(name), at) for name in others]
    keys = {
        row: ", ".join(f"{name} {value}" for name, value in zip(others, values, strict=True))
        for row, values in zip(rows, zip(*texts, strict=True), strict=True)
    }
    return tuple(
        example if example.row is None else replace(example, key=keys.get(example.row, UNSET))
        for example in violation.examples
    )
