"""Violations as they are found, piece by piece of a table, and the rows that break the contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from msgspec import UNSET
from msgspec.structs import replace

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.refusal import EXAMPLES, shown_values, texts_at
from lakehouse_cli.contracts.late_rows import LateRows, write_late
from lakehouse_cli.errors import HIDDEN, KEPT_ROWS, DataError, Example, FailedRow, FailedRows, Violation, some_rows
from lakehouse_cli.model.row_place import FileLine, RowPlace, placed
from lakehouse_cli.violating_rows.writing import WIDEST, ViolatingRows

# Rows of each finding that are kept, however many others are.
_SOME = 20
# Bytes of pieces that are, for rows that only the end names.
_HELD = 32 << 20
# Checks whose rows are counted apart, as they may not fail in the end.
_MOST_GROUPS = 10
#: Positions in a piece, ascending.
Rows: TypeAlias = pa.Array | pa.ChunkedArray
#: Gives all pieces of what was judged.
ReadAgain: TypeAlias = Callable[[], Iterable[pa.Table]]
#: Gives the places of 1-based rows in files.
FindPlaces: TypeAlias = Callable[[Sequence[int]], Mapping[int, RowPlace]]


class _Finding:
    """One way in which the contract is broken, in however many pieces."""

    def __init__(
        self,
        violation: Violation,
        say: Callable[[int], str] | None,
        group: str | None,
        number: int,
        columns: Sequence[str] | None = None,
    ) -> None:
        self.violation = violation
        self.number = number  # its place among all
        self.columns: Sequence[str] = columns or ()
        self.group = group
        self._say = say
        self.rows: list[int] = []  # of those that are kept
        self.made: list[dict[str, str | None]] | None = None  # rows that are not the table's

    def merge(self, other: Violation) -> None:
        mine, count = self.violation, self.violation.count + other.count
        message = mine.message if self._say is None else self._say(count)
        examples = sorted((*mine.examples, *other.examples), key=lambda each: each.row or 0)[:EXAMPLES]
        self.violation = replace(mine, count=count, message=message, examples=tuple(examples))


class _Piece(NamedTuple):
    """What was found in the piece at hand: the finding, its violation in this piece, its rows."""

    finding: _Finding
    violation: Violation
    rows: Rows | None


class Findings:
    """Violations in the order in which they were found, each with its rows.

    A table comes as one piece or as many; what is found in a piece counts once it is at its end.

    Of checks that may not fail in the end, rows are counted apart, by group: the check's name; None for those that
    never fail; empty for all others.

    Args:
        hidden: The columns whose values are not shown.
        unwritten: Those whose values the caller hides; they are in no file.
        holds: Whether pieces are kept, as far as there is room, for the values of rows that only the end names.
    """

    def __init__(self, hidden: Collection[str] = (), *, unwritten: Collection[str] = (), holds: bool = False) -> None:
        self._hidden = hidden
        self._holds = holds
        self._held: list[tuple[int, pa.Table]] = []
        self._held_bytes = 0
        self._findings: dict[tuple[str | None, str, str], _Finding] = {}
        self._piece: list[_Piece] = []
        self._before = 0  # rows of earlier pieces
        self._counts: Counter[frozenset[str | None]] = Counter()  # rows that break it, by the groups that they do
        self._kept: dict[int, dict[str, str | None]] = {}
        # How many more are, by whether what they break never fails: none is in the way of those that may.
        self._room = {False: KEPT_ROWS, True: KEPT_ROWS}
        self._names: dict[str, None] = {}
        self._broken: set[str] = set()  # columns in which anything was found
        self._every = ViolatingRows.here({*hidden, *unwritten})
        self._late: list[tuple[int, LateRows]] = []  # findings by number, with the rows that only the end named

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
        group: str | None = "",
    ) -> None:
        """Add a violation of the piece at hand.

        Args:
            violation: What breaks the contract; rows of its examples count from 1 in this piece.
            rows: 0-based positions in this piece, ascending; None where only the examples are known.
            say: The message for so many rows or values; None where it has no count.
            columns: Those that it is about; None where its own says so, or the key.
            group: In which its rows are counted.
        """
        if violation.column in self._hidden:
            violation = hide_values(violation)
        key = (violation.column, violation.check, violation.message if say is None else say(2))
        finding = self._findings.get(key)
        if finding is None:
            finding = self._findings[key] = _Finding(
                replace(violation, count=0, examples=()), say, self._group(group), len(self._findings), columns
            )
        self._piece.append(_Piece(finding, violation, rows))

    def add_of_all(
        self,
        violation: Violation,
        rows: Sequence[int] | None,
        source: pa.Table,
        say: Callable[[int], str] | None = None,
        group: str | None = "",
        every: Any = None,
    ) -> None:
        """Add a violation that only all pieces show; beyond those kept, a row in which more was found counts twice.

        Args:
            violation: What breaks the contract.
            rows: 0-based positions in the whole table, ascending, of the first that do; None where these are others.
            source: The columns that it concerns, of those rows; where they are others, the first of them.
            say: As of `add`.
            group: As of `add`.
            every: All of them, from `late_rows`; where they are others, the rows, piece by piece, or None for the
                first.
        """
        if self._hidden and any(name in self._hidden for name in source.column_names):
            violation = hide_values(violation)
        message = violation.message if say is None else say(2)
        key = (violation.column, violation.check, message)
        of_pieces = self._findings.get(key)
        number = len(self._findings) if of_pieces is None else of_pieces.number
        finding = self._findings[key] = _Finding(violation, say, self._group(group), number)
        finding.columns = source.column_names
        if of_pieces is not None:  # such as rows with null
            finding.merge(of_pieces.violation)
            finding.rows = of_pieces.rows
            finding.columns = finding.columns or of_pieces.columns
        if rows is None:
            some = source.slice(0, KEPT_ROWS)
            texts = [texts_at(some.column(name), range(len(some))) for name in some.column_names[:WIDEST]]
            finding.made = [dict(zip(some.column_names, values, strict=False)) for values in zip(*texts, strict=True)]
            if self._every is not None:
                for each in [source] if every is None else every:
                    self._every.add_made(each, number)
            return
        groups: dict[int, set[str | None]] = {}  # of those in which more was found
        for each in self._findings.values():
            for row in {*rows}.intersection(each.rows):
                groups.setdefault(row, set()).add(each.group)
        first = list(rows[:KEPT_ROWS])
        finding.rows = [*finding.rows, *first]
        if every is not None:
            self._late.append((number, every))
        self._broken.update(finding.columns)
        self._counts[frozenset((finding.group,))] += violation.count - len(groups)
        for found in groups.values():
            self._counts[frozenset(found)] -= 1
            self._counts[frozenset((*found, finding.group))] += 1
        kept = first[: max(self._room[finding.group is None], _SOME)]
        self._room[finding.group is None] = max(self._room[finding.group is None] - len(kept), 0)
        for start, piece in self._held:
            inside = [row for row in kept if start <= row < start + piece.num_rows]
            self._keep(piece, [row - start for row in inside], inside)
        self._keep(source, range(len(kept)), kept)

    def _group(self, group: str | None) -> str | None:
        known = {each.group for each in self._findings.values()}
        return "" if group and group not in known and len(known) >= _MOST_GROUPS else group

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
        self._hold(source, before)
        if not piece:
            return
        for finding, violation, _ in piece:
            finding.columns = finding.columns or (key if violation.column is None else [violation.column])
            self._broken.update(finding.columns)
        positions: dict[bool, set[int]] = {False: set(), True: set()}
        some: set[int] = set()
        counted: list[tuple[_Finding, Any]] = []
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
            every = _positions(violation, rows)
            kept = every[:KEPT_ROWS].tolist()
            positions[finding.group is None].update(kept)
            some.update(kept[: max(_SOME - len(finding.rows), 0)])
            counted.append((finding, every))
        self._counts += _distinct(counted)
        for is_minor, found in positions.items():
            taken = sorted(found)[: self._room[is_minor]]
            self._room[is_minor] -= len(taken)
            some.update(taken)
        first = sorted(some)
        for finding, every in counted:
            finding.rows += [before + row for row in _among(first, every)]
        self._keep(source, first, [before + row for row in first])
        if self._every is not None and counted:
            self._every.add(source, before, [(finding.number, every) for finding, every in counted], self._broken)

    @property
    def names_every_row(self) -> bool:
        """Whether all rows that only the end names are wanted."""
        return self._every is not None

    def late_rows(self) -> LateRows | None:
        """Takes the rows that only the end names, for `add_of_all`; None where these are not wanted."""
        return None if self._every is None else LateRows(self._before, keeps_values=not self._holds)

    def _finish_rows(self, every: ViolatingRows, read_again: ReadAgain | None, find_places: FindPlaces | None) -> None:
        """Write the rows that only the end named, and the places of all; arguments as of `failed`."""
        every.end_segment()
        if self._late:
            held = (piece for _, piece in self._held)
            write_late(every, self._late, held if self._holds or read_again is None else read_again(), self._broken)
        every.end_segment()
        if find_places is not None:
            every.add_places(find_places)

    def close(self) -> None:
        """Remove what was written, where nobody took it."""
        for _, rows in self._late:
            rows.close()
        if self._every is not None:
            self._every.close()

    def begin_piece(self) -> None:
        """Let go of a first piece that was held as it may be all there is, and is not."""
        if self._held_bytes > _HELD:
            self._holds, self._held, self._held_bytes = False, [], 0

    def _hold(self, piece: pa.Table, start: int) -> None:
        """Keep a piece: the first however large, others as far as there is room."""
        if self._holds and (not start or self._held_bytes + piece.nbytes <= _HELD):
            self._held.append((start, piece))
            self._held_bytes += piece.nbytes
        else:
            self._holds = False

    def _keep(self, source: pa.Table, rows: Sequence[int], numbers: Sequence[int]) -> None:
        """Keep the values of some rows of a piece, as text, by their 0-based positions in the whole table."""
        if not rows:
            return
        kept: dict[int, dict[str, str | None]] = {row: {} for row in rows}
        # Those that are wrong first: a terminal may not have room for the others.
        for field in sorted(source.schema, key=lambda field: field.name not in self._broken):
            if len(self._names) == WIDEST and field.name not in self._names:
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

    def describe(self, error: DataError, lines: Mapping[int, RowPlace], **more: Any) -> None:
        """Give an error the violations, with the lines of their rows, and the rows; arguments as of `failed`."""
        error.violations = tuple(with_lines(each, lines) for each in self.violations)
        error.failed = self.failed(lines, **more)

    def failed(
        self,
        lines: Mapping[int, RowPlace],
        passed: Collection[str | None] = (),
        read_again: ReadAgain | None = None,
        find_places: FindPlaces | None = None,
    ) -> FailedRows | None:
        """The rows in which anything was found; None for none. Nothing can be added any more.

        Args:
            lines: Those of a file, by 1-based row; empty where the data are not from one.
            passed: The groups that do not fail after all.
            read_again: Gives all pieces once more; None where those that are not held are gone.
            find_places: Gives the places of 1-based rows in files; None where there are none.
        """
        reasons: dict[int, list[_Finding]] = {}
        made: list[FailedRow] = []
        others = 0
        for finding in self._findings.values():
            if finding.group not in passed:
                for row in finding.rows:
                    reasons.setdefault(row, []).append(finding)
                why = (finding.violation.message,)
                made += [FailedRow(None, None, why, values, tuple(values)) for values in finding.made or ()]
                others += finding.violation.count if finding.made is not None else 0
        broken = {name for each in reasons.values() for finding in each for name in finding.columns}
        names = tuple(sorted(self._names, key=lambda name: name not in broken))
        count = sum(rows for groups, rows in self._counts.items() if not groups <= {*passed})
        found = (
            FailedRow(
                row + 1,
                place.line if isinstance(place := lines.get(row + 1), FileLine) else place,
                tuple(finding.violation.message for finding in reasons[row]),
                {name: values[name] for name in names if name in values},
                tuple(dict.fromkeys(name for finding in reasons[row] for name in finding.columns)),
                place.file if isinstance(place, FileLine) else UNSET,
                (place.row_without_line or UNSET) if isinstance(place, FileLine) else UNSET,
            )
            for row, values in sorted(self._kept.items())
            if row in reasons
        )
        rows = some_rows([*found], KEPT_ROWS)
        count = min(count, self._before) if self._before else count
        written = None
        if self._every is not None and len(rows) + len(made) < count + others:
            self._finish_rows(self._every, read_again, find_places)
            given = [
                None if each.group in passed else (each.violation.message, each.columns)
                for each in self._findings.values()
            ]
            written = self._every.written(given)
            count = count if written is None else written.count - written.made
        self.close()
        if not rows and not made:
            return None
        columns = tuple(dict.fromkeys((*names, *(name for row in made for name in row.values))))
        return FailedRows(count + others, columns, (*rows, *made), written)


def _positions(violation: Violation, rows: Rows | None) -> Any:
    """The 0-based positions of the rows of a violation in its piece, ascending; int64."""
    if rows is None:
        return np.array(sorted(each.row - 1 for each in violation.examples if each.row is not None), np.int64)
    return av.to_numpy(rows).astype(np.int64, copy=False)


def _among(some: Sequence[int], rows: Any) -> list[int]:
    """Those of some positions that are among rows, both ascending."""
    if not len(rows):
        return []
    numbers = np.array(some, np.int64)
    found: list[int] = numbers[rows[np.searchsorted(rows, numbers).clip(max=len(rows) - 1)] == numbers].tolist()
    return found


def _distinct(found: Sequence[tuple[_Finding, Any]]) -> Counter[frozenset[str | None]]:
    """Count the rows of a piece in which anything was found, by the groups in which it was."""
    groups = list(dict.fromkeys(finding.group for finding, _ in found))
    if len(found) == 1:
        return Counter({frozenset(groups): len(found[0][1])})
    marks = np.zeros(max((int(rows[-1]) + 1 for _, rows in found if len(rows)), default=0), np.uint16)
    for finding, rows in found:
        marks[rows] |= np.uint16(1 << groups.index(finding.group))
    return Counter(
        {
            frozenset(group for at, group in enumerate(groups) if mark >> at & 1): count
            for mark, count in enumerate(np.bincount(marks).tolist())
            if mark and count
        }
    )


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
