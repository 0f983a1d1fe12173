"""One check under judgement: what it counts, and the record that comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.checks.condition_error import ConditionError
from lakehouse_cli.checks.conditions import Condition
from lakehouse_cli.checks.piece import Piece
from lakehouse_cli.checks.wording import sentence_of
from lakehouse_cli.contracts import Findings
from lakehouse_cli.contracts.late_rows import LateRows
from lakehouse_cli.errors import Example, Violation
from lakehouse_cli.model.check import Check, CheckRecord, CheckResult, CheckStatus
from lakehouse_cli.model.check_verdict import judged_again, verdict_on_rows
from lakehouse_cli.text.counts import plural

__all__ = ["Findings", "Judged"]


class Judged:
    """Judges one check; the base of all that do, and one that cannot be judged at all.

    Args:
        check: The check.

    Attributes:
        check: The same.
        texts: The conditions in SQL that it needs the verdicts of.
        conditions: These as they are parsed, by their text.
        error: Why it cannot be judged.
        count: Violations so far.
        rows: Rows judged so far.
        not_judged: Rows that are not, as they are null.
        errored: Rows in which SQL raised.
        raised: What is said of the first of these, to follow what else is, and the first of them.
        rejects: Whether the numbers of all rows that violate it are kept.
        sensitive: Columns whose values are not shown; where there are any, errors may show them, and are not shown.
        why: Given a condition and a row in which it raises, what is said of it.
        note: What a message of violations says behind their number.
        skipped: Why there is nothing to judge it by; None where there is.
    """

    def __init__(self, check: Check) -> None:
        self.check = check
        self.texts: Sequence[str] = () if check.where is None else (check.where,)
        self.conditions: Mapping[str, Condition] = {}
        self.error: ConditionError | None = None
        self.count = self.rows = self.not_judged = self.errored = 0
        self.raised: tuple[str, tuple[Example, ...]] | None = None
        self.sensitive: frozenset[str] = frozenset()
        self.why: Callable[[Condition, pa.Table], str] = lambda *_: ""
        self.note = ""
        self.skipped: str | None = None
        self.rejects = False
        self._rejected: list[Any] = []
        self.against = ""
        self.say = sentence_of(check)

    def fail(self, error: ConditionError) -> None:
        """Give up judging."""
        self.error = error

    def piece(self, piece: Piece, found: Findings) -> None:
        """Judge a piece."""

    def finish(self, found: Findings) -> None:
        """Judge what only the whole table shows."""

    def reject(self, rows: Any, start: int = 0) -> None:
        """Keep the numbers of rows that violate it, where these are wanted: 0-based from `start`."""
        if self.rejects:
            self._rejected.append(np.asarray(rows, np.int64) + start)

    def gathering(
        self, found: Findings, shown: Callable[[pa.Table], pa.Table]
    ) -> tuple[Callable[[Any, pa.Table], None] | None, LateRows | None]:
        """What takes the numbers and keys of rows that only the end names, and what has them; None where not wanted.

        Args:
            found: What they are found for.
            shown: Gives the values of keys, by column.
        """
        every = found.late_rows()

        def take(rows: Any, keys: pa.Table) -> None:
            numbers = np.asarray(rows, np.int64)
            self.reject(numbers)
            if every is not None:
                every.add(numbers, lambda: shown(keys))

        return take if self.rejects or every is not None else None, every

    def rejected(self) -> Any:
        """The 0-based numbers of the rows that violate it, ascending, as far as they are known; int64."""
        return np.unique(np.concatenate([np.empty(0, np.int64), *self._rejected]))

    def say_raised(self, rows: int) -> str:
        """What is said of so many rows in which SQL raises."""
        return f"check `{self.check.name}`: {self._raised(rows)}"

    def _raised(self, rows: int) -> str:
        why, raises = "" if self.raised is None else self.raised[0], "raises" if rows == 1 else "raise"
        return f"{plural(rows, 'row')} {raises} an error in SQL{why}"

    def said(self) -> str:
        """What is said of all violations."""
        return self.say(self.count)

    def examples(self, found: Findings) -> tuple[Example, ...]:
        """The first of the violations."""
        violation = found.found(self.column, self.check.kind, self.say(2))
        return () if violation is None else violation.examples

    def state(self) -> Mapping[str, str]:
        """What was measured."""
        return {}

    def close(self) -> None:
        """Let go of everything."""

    @property
    def column(self) -> str | None:
        """The column of its violations; None where they are of several."""
        return self.check.columns[0] if len(self.check.columns) == 1 else None

    @property
    def group(self) -> str | None:
        """As what its rows are counted among those that fail: None for never, its name where they may not."""
        if not self.check.blocks:
            return None
        return "" if self.check.error_above is None else self.check.name

    def record(self, found: Findings, now: datetime, code: str) -> CheckRecord:
        """What came of it.

        Args:
            found: What was found in all pieces.
            now: When the run began.
            code: Hash of the code of a function.
        """
        check = self.check
        examples = self.examples(found)
        status: CheckStatus = "passed"
        message = f"{self.said()}{self.note}" if self.count else ""
        if self.error is not None:
            why = f"{self.error}; {self.error.hint}" if self.error.hint else str(self.error)
            if self.sensitive and self.error.quotes:
                why = "cannot be judged, and its error may show sensitive values"
            status, message = "errored", f"check `{check.name}` {why}"
        elif self.errored and self.count:
            message += f"; {self._raised(self.errored)}"
        elif self.errored:
            message = self.say_raised(self.errored)
            examples = () if self.raised is None else self.raised[1]
        if self.skipped is not None:
            status, message = "skipped", f"check `{check.name}` was not judged: {self.skipped}"
        value = None
        if check.is_of_rows and self.rows:
            value = f"{self.count}/{self.rows}"
        column = ", ".join(check.columns) or None
        result = CheckResult(
            check.name, check.kind, column, check.severity, status, self.count, self.rows, self.not_judged,
            self.errored, value, check.threshold, examples, message, check.location,
        )  # fmt: skip
        if status == "passed" and check.is_of_rows:
            result = replace(result, status=verdict_on_rows(check, result))
        hidden = tuple(sorted(self.sensitive))
        record = CheckRecord(result, check.judged_as() + code, self.against, self.state(), hidden)
        return record if check.is_of_rows or status != "passed" else self._measured(record, now)

    def _measured(self, record: CheckRecord, now: datetime) -> CheckRecord:
        return replace(record, result=judged_again(self.check, record, now))

    def violation(self, record: CheckRecord) -> Violation:
        """The violation that a failure is."""
        result: Any = record.result
        return Violation(
            self.column, self.check.kind, result.count, result.message, result.examples, self.check.location
        )
