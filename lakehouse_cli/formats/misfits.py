"""Columns as they are read: their values, or what does not fit the declared type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse_cli.errors import HIDDEN, KEPT_ROWS, DataError, Example, FailedRows, Location, Violation
from lakehouse_cli.model import Column
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.invisible import visible

if TYPE_CHECKING:
    from lakehouse_cli.violating_rows.writing import Cells, ViolatingRows

#: What is kept of a value that does not fit: the 1-based row, the value, and its line, None where it is not known.
Misfit = tuple[int, Any, int | None]
#: How many values that do not fit are shown of a column.
EXAMPLES = 5
#: How many characters of such a value are shown.
LONGEST = 60


class ColumnReading(Struct):
    """A column while it is read.

    Attributes:
        name: In the result.
        type: In the result.
        column: As declared; None where nothing is.
        position: Of its values in each row, from 0, where they have one.
        options: Of the format, as they hold for it.
        chunks: The values so far; none once one does not fit.
        count: How many do not fit.
        misfits: The first that do not fit.
        latest: Those of the piece at hand: their 0-based positions, ascending, and what makes what is kept of some.
        known: Spellings of values that fit, where they are read as text: of a boolean column all, of others some.
    """

    name: str
    type: pa.DataType
    column: Column | None
    position: int = 0
    options: Any = None
    chunks: list[pa.Array] = field(default_factory=list)
    count: int = 0
    misfits: list[Misfit] = field(default_factory=list)
    latest: tuple[Any, Callable[[Any], list[Misfit]]] | None = None
    known: set[str] = field(default_factory=set)

    @property
    def examples(self) -> Sequence[Misfit]:
        """Those of the misfits that are shown."""
        return self.misfits[:EXAMPLES]

    @property
    def declared(self) -> object:
        """The type as messages show it."""
        return self.column.type if self.column else self.type

    def add(self, values: pa.Array, misfits: Any, examples: Callable[[Any], list[Misfit]]) -> None:
        """Add the values of some rows.

        Args:
            values: Of the column's type.
            misfits: The 0-based positions of those that do not fit: an array, or nothing.
            examples: Makes what is kept of some of these.
        """
        if len(misfits):
            self.misfits += examples(misfits[: KEPT_ROWS - len(self.misfits)])
            self.count += len(misfits)
            self.latest = misfits, examples
        if self.count:
            self.chunks.clear()
        else:
            self.chunks.append(values)


class UnfitRows:
    """Keeps all rows with values that do not fit, as they are found piece by piece; to be closed.

    Args:
        show: Makes text of a value of a column.
        find_lines: Gives the lines of rows, by their 1-based numbers, where values lack theirs.
    """

    def __init__(
        self,
        show: Callable[[ColumnReading, Misfit], str],
        find_lines: Callable[[Sequence[int]], Mapping[int, int]] | None = None,
    ) -> None:
        self.show = show
        self._find_lines = find_lines
        self._every: ViolatingRows | None = None
        self._numbers: dict[str, int] = {}
        self._last = 0

    def end_piece(self, readings: Sequence[ColumnReading]) -> None:
        """Take what was found in a piece of all columns, or of those that are read together."""
        found = []
        for reading in readings:
            if reading.latest is None:
                continue
            misfits, make = reading.latest
            reading.latest = None
            if not self._numbers:
                from lakehouse_cli.violating_rows.writing import ViolatingRows  # seldom needed

                self._every = ViolatingRows.here(())
            number = self._numbers.setdefault(reading.name, len(self._numbers))
            if self._every is not None:
                found.append(self._cells(number, reading, make(misfits)))
        if self._every is not None and found:
            first = min(each.rows[0] for each in found)
            if first <= self._last:  # other columns, from the first row on
                self._every.end_segment()
            self._last = max(each.rows[-1] for each in found)
            self._every.add_cells(found)
        if any(reading.count for reading in readings):
            for reading in readings:
                reading.chunks.clear()

    def examples(self, reading: ColumnReading, lines: Mapping[int, int]) -> list[Example]:
        """The values of a column that are kept in memory, with their lines, or those of their rows."""
        return [Example(each[0], self.show(reading, each), each[2] or lines.get(each[0])) for each in reading.misfits]

    def _cells(self, number: int, reading: ColumnReading, misfits: Sequence[Misfit]) -> Cells:
        from lakehouse_cli.violating_rows.writing import Cells

        is_hidden = reading.column is not None and reading.column.sensitive
        texts = [HIDDEN if is_hidden else self.show(reading, each) for each in misfits]
        rows, _, lines = zip(*misfits, strict=True)
        return Cells(number, reading.name, rows, texts, lines)

    def of(self, violations: Sequence[Violation]) -> FailedRows | None:
        """The rows, given the violations, a column each, with examples of all values of which something is kept."""
        failed = FailedRows.of_examples(violations)
        if self._every is None:
            return failed
        said = {each.column: each.message for each in violations}
        return self._every.complete(failed, [said[name] for name in self._numbers], self._find_lines)

    def close(self) -> None:
        """Remove what was written, where nobody took it."""
        if self._every is not None:
            self._every.close()


def table_of(readings: Sequence[ColumnReading]) -> pa.Table:
    """Make a table of the columns that were read, each with one dictionary if its type has any."""
    schema = pa.schema([pa.field(each.name, each.type) for each in readings])
    columns = [pa.chunked_array(each.chunks or [pa.nulls(0, each.type)]) for each in readings]
    table = pa.Table.from_arrays(columns, schema=schema)
    return table.unify_dictionaries() if any(map(pa.types.is_dictionary, schema.types)) else table


def unfit_values(
    name: str,
    readings: Sequence[ColumnReading],
    rows: int,
    kept: UnfitRows,
    *,
    explain: Callable[[ColumnReading], tuple[str, str, str]],
    lines: Mapping[int, int] | None = None,
) -> DataError:
    """Make the error of columns with values that do not fit: a violation each.

    Args:
        name: The file as messages show it.
        readings: The columns, some of which have such values.
        rows: How many there are.
        kept: Keeps them.
        explain: Says why the first value does not fit, why all that are shown do not (empty where there is no more to
            say), and what to do next.
        lines: Of rows, where examples lack theirs.
    """
    unfit = [reading for reading in readings if reading.count]
    reasons = [explain(reading) for reading in unfit]
    violations = []
    for reading, (_, why, _) in zip(unfit, reasons, strict=True):
        violations.append(unfit_violation(reading, rows, kept.examples(reading, lines or {}), why=why))
    first, (why, _, hint) = unfit[0], reasons[0]
    example = violations[0].examples[0]
    return unfit_error(
        f"`{example.value}` in column `{first.name}` of `{name}` is not {first.declared}{_behind_colon(why)}"
        + others_unfit(sum(reading.count for reading in unfit), "value"),
        violations,
        rows,
        kept,
        hint=hint,
        location=Location(name, example.line),
    )


def others_unfit(total: int, what: str) -> str:
    """What a message of the first value that does not fit says of the others.

    >>> others_unfit(3, "cell")
    ', and 2 more cells do not fit'

    Args:
        total: How many do not fit, the first included.
        what: What they are, one of them.
    """
    if total <= 1:
        return ""
    return f", and {count_text(total - 1)} more {what}{' does' if total == 2 else 's do'} not fit"


def unfit_error(
    message: str,
    violations: Sequence[Violation],
    rows: int,
    kept: UnfitRows,
    *,
    hint: str | None,
    location: Location,
) -> DataError:
    """Make the error of violations whose examples are all rows that are kept, the first few of which are shown."""
    shown = [replace(violation, examples=violation.examples[:EXAMPLES]) for violation in violations]
    error = DataError(message, shown, hint=hint, location=location)
    error.failed, error.rows = kept.of(violations), rows
    return error


def unfit_violation(
    reading: ColumnReading, total: int, examples: Sequence[Example], *, noun: str = "value", why: str = ""
) -> Violation:
    """Make the violation of a column with values that do not fit, of so many in all."""
    verb = "is" if reading.count == 1 else "are"
    found = f"{count_text(reading.count)} of {plural(total, noun)} of column `{visible(reading.name)}`"
    message = f"{found} {verb} not {reading.declared}{_behind_colon(why)}"
    location = reading.column.location if reading.column else None
    return Violation(reading.name, "type", reading.count, message, tuple(examples), location)


def _behind_colon(why: str) -> str:
    return why and f": {why}"
