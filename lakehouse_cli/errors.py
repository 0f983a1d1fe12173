"""What can go wrong, as values: problems with their place, violations with their rows, the exceptions.

Nothing here prints or exits: the one error boundary, in ``lakehouse_cli.cli``, makes text, JSON and an exit code of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, zip_longest
from typing import Any, ClassVar, Self

from msgspec import UNSET, Struct, UnsetType

from lakehouse_cli.text.causes import system_reason
from lakehouse_cli.text.counts import count_text

KEPT_ROWS = 1_000  #: How many of the rows that break a contract are kept.
HIDDEN = "***"  #: Stands for a value of a sensitive column.
_NAMED = 8  # tables in a command of a hint


class Location(Struct, frozen=True):
    """A place in a text file the user wrote.

    Attributes:
        file: Path to show, relative to the project folder where it is inside it.
        line: 1-based line, None where only the file is meant.
        column: 1-based column, in characters.
        length: Characters to underline with carets, at least 1.
        source: The text of that line without its newline, None where it is not known.
    """

    file: str
    line: int | None = None
    column: int | None = None
    length: int = 1
    source: str | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


class Problem(Struct, frozen=True):
    """One thing wrong with a project: what, where, and what to do next.

    Attributes:
        message: One sentence without a full stop; names of the user's in backticks.
        hint: What to do next; close matches for names. Shown beside the caret when it starts with "did you mean".
        location: Where, None for what has no place in a file.
    """

    message: str
    hint: str | None = None
    location: Location | None = None


def in_order(problems: Iterable[Problem], first: str) -> list[Problem]:
    """Problems by file and place, those of the file `first` before all others."""

    def place(problem: Problem) -> tuple[Any, ...]:
        where = problem.location or Location("")
        return (where.file != first, where.file, where.line or 0, where.column or 0)

    return sorted(problems, key=place)


class Example(Struct, frozen=True):
    """One value that breaks a contract.

    Attributes:
        row: 1-based data row (the header does not count), None where no row is meant.
        value: The value as text, shortened for display.
        line: 1-based line of the file the value was read from, None where it was computed.
        key: The values of the table's key in that row, by column, but for what `value` is; unset where there are none.
        file: The file of many that the row is in; unset where there is one.
        file_row: Its number in that file, from 1, where this has no lines.
    """

    row: int | None
    value: str
    line: int | None = None
    key: str | UnsetType = UNSET  # not in lines of the history where there is none
    file: str | UnsetType = UNSET
    file_row: int | UnsetType = UNSET


class Violation(Struct, frozen=True):
    """One way in which data break their contract.

    Attributes:
        column: The column, None for what concerns the table as a whole.
        check: A stable code: ``missing``, ``extra``, ``null``, ``type``, ``key``, ``duplicate``.
        count: How many rows (or columns) break it.
        message: One sentence, without the examples.
        examples: The first few offending values.
        location: Where the contract says so.
    """

    column: str | None
    check: str
    count: int
    message: str
    examples: tuple[Example, ...] = ()
    location: Location | None = None


class FailedRow(Struct, frozen=True):
    """One row that breaks a contract.

    Attributes:
        row: 1-based data row, None where a check made it, with columns of its own.
        line: 1-based line of the file it was read from, None where it was computed.
        reasons: What is wrong with it, a sentence each.
        values: By column, as text; None for null.
        wrong: The columns that the reasons are about.
        file: The file of many that it is in; unset where there is one.
        file_row: Its number in that file, from 1, where this has no lines.
    """

    row: int | None
    line: int | None
    reasons: tuple[str, ...]
    values: dict[str, str | None]
    wrong: tuple[str, ...] = ()
    file: str | UnsetType = UNSET
    file_row: int | UnsetType = UNSET


def some_rows(rows: Sequence[FailedRow], most: int) -> tuple[FailedRow, ...]:
    """Return no more than so many rows, in order: as many for each reason, the first of them, as far as there are.

    Args:
        rows: In order.
        most: How many.
    """
    if len(rows) <= most:
        return tuple(rows)
    by_reason: dict[str, list[int]] = {}
    for at, row in enumerate(rows):
        for reason in row.reasons:
            by_reason.setdefault(reason, []).append(at)
    turns = zip_longest(*by_reason.values())
    chosen: dict[int, None] = {}
    for at in chain.from_iterable(turns):
        if len(chosen) == most:
            break
        if at is not None:
            chosen[at] = None
    return tuple(rows[at] for at in sorted(chosen))


class WrittenRows(Struct, frozen=True):
    """All rows that break a contract, in a file; see `lakehouse_cli.violating_rows`.

    Attributes:
        file: Its path, until it is where it stays; where another machine sent it, `content` is it, or gives parts.
        ends: Where in it the rows that were found piece by piece end, those that only the end named, and their places.
        reasons: What is wrong, by number, a sentence each; None for what is not wrong after all.
        wrong: The columns that they are about.
        count: How many rows, `made` by checks among them.
    """

    file: str
    ends: tuple[int, ...]
    reasons: tuple[str | None, ...]
    wrong: tuple[tuple[str, ...], ...]
    count: int
    made: int = 0
    content: Any = UNSET


class FailedRows(Struct, frozen=True):
    """The rows that break a contract.

    Attributes:
        count: How many there are.
        columns: Names, those that are wrong first.
        rows: The first of them; behind them those that checks made.
        written: All of them; None where there are no others, or they are not kept.
    """

    count: int
    columns: tuple[str, ...]
    rows: tuple[FailedRow, ...]
    written: WrittenRows | None = None

    @property
    def kept(self) -> int:
        """How many of them are kept."""
        return len(self.rows) if self.written is None else self.written.count

    @classmethod
    def of_examples(cls, violations: Sequence[Violation]) -> Self | None:
        """Make the rows that the examples of violations show, each with the values that are wrong; None for no row."""
        rows: dict[int, list[tuple[Violation, Example]]] = {}
        for violation in violations:
            for example in violation.examples:
                if example.row is not None:
                    rows.setdefault(example.row, []).append((violation, example))
        if not rows:
            return None
        columns = dict.fromkeys(v.column for v in violations if v.column and any(e.row is not None for e in v.examples))
        found = [
            FailedRow(
                row,
                next((example.line for _, example in each), None),
                tuple(violation.message for violation, _ in each),
                {violation.column: example.value for violation, example in each if violation.column},
                tuple(violation.column for violation, _ in each if violation.column),
            )
            for row, each in sorted(rows.items())
        ]
        # A value is refused once, so that violations of one column have rows of their own.
        of_column: Counter[str] = Counter()
        for violation in violations:
            of_column[violation.column or violation.message] += violation.count
        count = max(len(rows), *of_column.values())
        return cls(count, tuple(columns), some_rows(found, KEPT_ROWS))


class LakehouseError(Exception):
    """Base of all errors a user can act on.

    Attributes:
        message: What went wrong, one sentence without a full stop.
        hint: What to do next.
        location: Where.
        exit_code: What the command line exits with.
        shown_data: Texts of the data that message and hint show, as they stand there.
    """

    exit_code: ClassVar[int] = 1
    shown_data: tuple[str, ...] = ()

    def __init__(self, message: str, *, hint: str | None = None, location: Location | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.location = location

    def __str__(self) -> str:
        """What, where and what to do next, in one line."""
        place = f"{self.location}: " if self.location is not None else ""
        return f"{place}{self.message}{f' ({self.hint})' if self.hint else ''}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process boundaries; the default would call __init__ without the keywords.
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[LakehouseError], args: tuple[Any, ...], state: dict[str, Any]) -> LakehouseError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class Interrupted(KeyboardInterrupt):  # named as what it is a kind of
    """The user or the system ends the run; its class distinguishes it from what a transform raises."""


class Terminated(Interrupted):
    """The system or the parent process ends the run; nobody pressed Ctrl-C."""


class UsageError(LakehouseError):
    """A flag, table or environment that does not exist, or arguments that do not fit together."""

    exit_code = 2


class ProjectError(LakehouseError):
    """The project is invalid; nothing ran. Carries every problem found."""

    exit_code = 3

    def __init__(self, problems: Sequence[Problem]) -> None:
        count = len(problems)
        super().__init__(problems[0].message if count == 1 else f"{count_text(count)} problems in the project")
        self.problems = tuple(problems)

    def __str__(self) -> str:
        """Every problem, a line each."""
        return "\n".join(str(LakehouseError(p.message, hint=p.hint, location=p.location)) for p in self.problems)


class StorageError(LakehouseError):
    """Data could not be read from or published to a storage."""


class MissingDataError(StorageError):
    """A table has no stored data."""


class NewerVersionError(StorageError):
    """A newer version of the tool stored a table; this one leaves it as it is unless forced."""


class ObstructedError(StorageError):
    """Where a table would be stored is what no run replaces, such as a folder, or a link out of the storage."""


class UnclaimedError(StorageError):
    """What is there has no manifest; it is replaced only where the user asks for that.

    Args:
        shown: Where it is, as messages show it.
        table: What would be stored there, as a command line selects it.
        location: Where that is declared.
    """

    def __init__(self, shown: str, table: str, *, location: Location | None = None) -> None:
        message = f"{shown} was not created by lakehouse (no manifest)"
        super().__init__(message, hint=self.advice([table]), location=location)
        self.table = table

    @classmethod
    def advice(cls, tables: Sequence[str]) -> str:
        """What to do next where this is so of these tables, or partitions, as a command line selects them."""
        tables = tables if len(tables) == 1 else list(dict.fromkeys(each.partition(" ")[0] for each in tables))
        named, more = " ".join(tables[:_NAMED]), len(tables) - _NAMED
        others = f", and so on for {count_text(more)} more" if more > 0 else ""
        s = "" if len(tables) == 1 else "s"
        return f"give the table{s} another `path:`; `lakehouse run --force {named}` replaces what is there{others}"


class OvertakenError(StorageError):
    """Another run stored a table while this one computed it; what that one stored is left as it is."""


class UnreachableError(StorageError):
    """The place of a table is out of reach, such as a server that does not answer: nothing can be stored there.

    Attributes:
        reason: Why, as it follows a colon.
        everywhere: Whether that is so of all tables of the storage, not of this one alone.
    """

    def __init__(
        self,
        message: str,
        *,
        reason: str,
        everywhere: bool = True,
        hint: str | None = None,
        location: Location | None = None,
    ) -> None:
        super().__init__(message, hint=hint, location=location)
        self.reason = reason
        self.everywhere = everywhere


class DataError(LakehouseError):
    """Stored data do not fit their declared columns, value by value or as a whole.

    Attributes:
        violations: Each way in which they do not.
        failed: The rows that do not; None where only the examples of the violations are known.
        checks: What the checks of the table found (`lakehouse_cli.model.check.CheckRecord`), where they were judged.
        judged: On what, where that was stored already (`lakehouse_cli.model.manifest.InputRecord`).
        misnamed: Missing columns where one is there whose name differs in capitals, spaces or what cannot be seen.
        rows: How many rows there are, of a file that was read to its end.
    """

    def __init__(
        self,
        message: str,
        violations: Iterable[Violation] = (),
        *,
        hint: str | None = None,
        location: Location | None = None,
    ) -> None:
        super().__init__(message, hint=hint, location=location)
        self.violations = tuple(violations)
        self.failed: FailedRows | None = None
        self.checks: tuple[Any, ...] = ()
        self.judged: Any = None
        self.misnamed: frozenset[str] = frozenset()
        self.rows = 0


CORRECT_DATA = "correct the data, or relax the contract"  #: What to do about rows of a source that break it.


class ContractError(DataError):
    """What a transform returned breaks the table's contract; nothing was published."""


class TransformError(LakehouseError):
    """A transform raised, or could not be loaded.

    Attributes:
        frames: The user's own frames, innermost last: (file, line, function, source line).
        inputs: Shape of each input: (parameter, table, rows, columns); -1 rows where they are not counted.
        exception: ``Type: message`` of what was raised.
        traceback: The full traceback as text, shown with ``-v``.
    """

    def __init__(
        self,
        message: str,
        *,
        exception: str = "",
        frames: Sequence[tuple[str, int, str, str]] = (),
        inputs: Sequence[tuple[str, str, int, int]] = (),
        traceback: str = "",
        hint: str | None = None,
        location: Location | None = None,
    ) -> None:
        super().__init__(message, hint=hint, location=location)
        self.exception = exception
        self.frames = tuple(frames)
        self.inputs = tuple(inputs)
        self.traceback = traceback


class SystemTroubleError(LakehouseError):
    """The operating system refused what nobody had seen to, such as one more process.

    Attributes:
        traceback: Where, as text, shown with ``-v``.
    """

    def __init__(self, error: OSError) -> None:
        from traceback import format_exception  # slow to load, and only needed here

        about = f" ({error.filename})" if error.filename else ""
        super().__init__(f"operating system error: {system_reason(error)}{about}", hint="`-v` shows where")
        self.traceback = "".join(format_exception(error))


class UnexpectedError(LakehouseError):
    """What neither the user nor the environment is known to have done.

    Attributes:
        traceback: Where, as text, shown with ``-v``.
    """

    def __init__(self, error: BaseException) -> None:
        from traceback import format_exception  # slow to load, and only needed here

        if isinstance(error, MemoryError):
            super().__init__("there was not enough memory", hint="read fewer columns, or work on fewer rows at once")
        else:
            text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            hint = "this looks like a defect of the tool; `-v` shows the traceback to report"
            super().__init__(f"unexpected {text}", hint=hint)
        self.traceback = "".join(format_exception(error))
