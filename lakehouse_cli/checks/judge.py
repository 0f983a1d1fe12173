"""The judgement of all checks of a table, in one pass over its pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.checks.condition_error import ConditionError
from lakehouse_cli.checks.conditions import Condition, Conditions
from lakehouse_cli.checks.judged import Findings, Judged
from lakehouse_cli.checks.measures import Measure
from lakehouse_cli.checks.piece import AT_ONCE, Piece
from lakehouse_cli.checks.rows import RowJudge
from lakehouse_cli.checks.setting import Setting
from lakehouse_cli.checks.shared_values import SharedValues
from lakehouse_cli.checks.whole import FunctionJudge, QueryJudge
from lakehouse_cli.contracts import Check as NullsAndKey
from lakehouse_cli.contracts.findings import ReadAgain, with_lines
from lakehouse_cli.errors import ContractError, Example, FailedRows, Violation
from lakehouse_cli.executors.threads import default_workers
from lakehouse_cli.model import Table
from lakehouse_cli.model.check import Check, CheckRecord
from lakehouse_cli.model.row_place import RowPlace, placed
from lakehouse_cli.text.counts import plural

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

# Bytes of values that wait in memory, of all checks that look for equal ones.
_IN_MEMORY = 88 << 20
# Checks of rows of which only the end may say which they are.
_AT_THE_END = ("unique", "foreign_key", "function")


class Rejection(NamedTuple):
    """What was found in a table from which rows can be put aside.

    Attributes:
        records: Of all checks.
        rows: By check, the 0-based numbers of the rows that violate it, ascending, as far as they are known; int64.
        failed: The checks that keep the table from being published.
        is_complete: Whether the rows of all of these are known.
        error: Makes an error of them, given what reads all pieces once more; None where there are none.
    """

    records: tuple[CheckRecord, ...]
    rows: Mapping[str, Any]
    failed: tuple[str, ...]
    is_complete: bool
    error: Callable[[ReadAgain], ContractError] | None


class Judge:
    """Judges the checks of a table on its pieces; to be closed.

    Args:
        table: With its contract.
        checks: Those to judge.
        setting: What they are judged with.
        contract: Whether nulls and key of data that are stored are judged as well.
        rejects: Whether rows that violate checks can be put aside, by `finish_rejecting`.
    """

    def __init__(
        self,
        table: Table,
        checks: Sequence[Check],
        setting: Setting,
        *,
        contract: bool = False,
        rejects: bool = False,
    ) -> None:
        self._table = table
        self._checks = checks
        self._setting = setting
        self._stack = ExitStack()
        self._found = Findings(
            table.contract.sensitive, holds=any(each.kind in _AT_THE_END for each in checks) or contract
        )
        self._judges: list[Judged] | None = None
        self._places: Mapping[int, RowPlace] = {}
        self._conditions: Conditions | None = None
        self._parsed: list[Condition] = []
        self._encoded = encoded_columns(checks)
        self._rows = 0
        self._rejects = rejects
        self._pool: ThreadPoolExecutor | None = None
        self._contract = NullsAndKey(table.columns, table.key, self._found, setting.partitions) if contract else None
        if self._contract is not None:
            self._stack.enter_context(closing(self._contract))

    @property
    def rows(self) -> int:
        """How many rows were judged."""
        return self._rows

    def piece(self, data: pa.Table) -> None:
        """Judge a piece."""
        self._found.begin_piece()
        if self._judges is None:
            self._judges = self._compile(data.slice(0, 0))
        masks: dict[str, pa.ChunkedArray] = {}
        errored: dict[str, pa.ChunkedArray] = {}
        broken: dict[str, ConditionError] = {}
        if self._conditions is not None and self._parsed:
            try:
                masks, errored = self._conditions.judge(self._parsed, data)
            except ConditionError as error:
                broken = {each.text: error for each in self._parsed}
        if self._contract is not None:
            self._contract.judge(data)
        piece = Piece(data, self._rows, masks, errored, self._encoded, self._mapping(data.num_rows))
        for judge in self._judges:
            wrong = next((broken[text] for text in judge.texts if text in broken), None)
            if wrong is not None:
                judge.fail(wrong)
            elif judge.error is None:
                judge.piece(piece, self._found)
        self._found.end_piece(data, self._table.key)
        self._rows += data.num_rows

    def _mapping(self, rows: int) -> Any:
        """What calls a function with each part of a column: a pool of this table's share of the cores, or `map`."""
        threads = default_workers() // self._setting.workers
        if threads < 2 or rows <= AT_ONCE:
            return map
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = self._stack.enter_context(ThreadPoolExecutor(threads))
        return self._pool.map

    def _compile(self, schema: pa.Table) -> list[Judged]:
        """Make what judges each check, now that the columns are known."""
        uniques = sum(check.kind == "unique" for check in self._checks) or 1
        judges = [self._judge_of(check, schema, _IN_MEMORY // uniques) for check in self._checks]
        texts: dict[str, Condition] = {}
        for judge in judges:
            for text in judge.texts:
                try:
                    texts[text] = texts.get(text) or self._parse(text, schema)
                except ConditionError as error:
                    judge.fail(error)
        self._parsed = list(texts.values())
        for judge in judges:
            judge.conditions, judge.sensitive = texts, self._table.contract.sensitive
            judge.why = self._why
            judge.rejects = self._rejects
            self._stack.enter_context(closing(judge))
        return judges

    def _parse(self, text: str, schema: pa.Table) -> Condition:
        conditions = self._opened()
        condition = conditions.parse(text, schema.column_names)
        conditions.bind(condition, schema)
        return condition

    def _why(self, condition: Condition, row: pa.Table) -> str:
        return self._opened().why(condition, row)

    def _opened(self) -> Conditions:
        if self._conditions is None:
            self._conditions = self._stack.enter_context(closing(Conditions(self._setting.now, self._setting.workers)))
        return self._conditions

    def _judge_of(self, check: Check, schema: pa.Table, limit: int) -> Judged:
        hidden = self._table.contract.sensitive
        missing = [name for name in check.columns if name not in schema.column_names]
        if missing:
            judge = Judged(check)
            judge.fail(ConditionError(f"names column `{missing[0]}`, which the table does not have"))
            return judge
        if check.kind in ("row_count", "nulls", "freshness"):
            return Measure(check, self._setting)
        if check.kind == "unique":
            return SharedValues(check, limit, hidden, self._setting.partitions)
        if check.kind == "sql":
            return QueryJudge(check, self._opened, schema, hidden)
        if check.kind == "function":
            return FunctionJudge(check, self._setting.folder, hidden)
        return RowJudge(check, self._table, schema, self._setting)

    def finish(self, read_again: ReadAgain | None = None) -> tuple[CheckRecord, ...]:
        """What was found in all pieces, of which there was at least one.

        Args:
            read_again: Gives all pieces once more; None where they are not stored.

        Raises:
            ContractError: A check failed that keeps the table from being published; it carries all records.
        """
        records, refused = self._verdicts()
        if refused:
            raise self._failure(records, refused, read_again)
        return tuple(records)

    def violating_rows(self, read_again: ReadAgain | None = None) -> FailedRows | None:
        """The rows that violate checks of a table which is published all the same; None where none do, or are kept.

        Args:
            read_again: As of `finish`, which was called before.
        """
        if not self._found.names_every_row or not self._found.violations:
            return None
        return self._found.failed(self._places, (), read_again, self._setting.find_lines)

    def finish_rejecting(self) -> Rejection:
        """What was found in all pieces, with the rows that can be put aside for it."""
        records, refused = self._verdicts()
        judges = self._judges or ()
        rows: dict[str, Any] = {judge.check.name: judge.rejected() for judge in judges}
        failed = {
            judge.check.name: len(rows[judge.check.name]) == record.result.count and not record.result.errored
            for judge, record in zip(judges, records, strict=True)
            if is_blocking(judge.check, record)
        }
        error = partial(self._failure, records, refused) if refused else None
        return Rejection(tuple(records), rows, tuple(failed), all(failed.values()), error)

    def _verdicts(self) -> tuple[list[CheckRecord], list[Violation]]:
        """The records of all checks, and the violations that keep the table from being published."""
        broken: list[Violation] = []
        if self._contract is not None:
            self._contract.finish()
            broken = [each for each in self._found.violations if each.check in ("null", "key")]
        records = []
        for judge in self._judges or ():
            if judge.error is None:
                judge.finish(self._found)
            code = self._setting.codes.get(judge.check.name, "")
            records.append(judge.record(self._found, self._setting.now, code))
        lines = self._places = self._lines(
            [*(each.result.examples for each in records), *(each.examples for each in broken)]
        )
        records = [_with_lines(record, lines) for record in records] if lines else records
        refused = [with_lines(each, lines) for each in broken] + [
            judge.violation(record)
            for judge, record in zip(self._judges or (), records, strict=True)
            if is_blocking(judge.check, record)
        ]
        return records, refused

    def _failure(
        self,
        records: Sequence[CheckRecord],
        refused: Sequence[Violation],
        read_again: ReadAgain | None = None,
    ) -> ContractError:
        first = refused[0]
        of_checks = all(each.check not in ("null", "key") for each in refused)
        several = f"{plural(len(refused), 'check')} failed" if of_checks else plural(len(refused), "violation")
        message = first.message if len(refused) == 1 else several
        error = ContractError(message, refused, location=first.location)
        failed = {each.result.name for each in records if each.result.status in ("failed", "errored")}
        passed = {None, *(each.name for each in self._checks if each.name not in failed)}
        error.failed = self._found.failed(self._places, passed, read_again, self._setting.find_lines)
        error.violations, error.checks = tuple(refused), tuple(records)
        if len(refused) == sum(judge.error is not None and judge.check.blocks for judge in self._judges or ()):
            error.hint = f"correct the {'check' if len(refused) == 1 else 'checks'}, or the data looked at"
        return error

    def _lines(self, examples: Sequence[Sequence[Example]]) -> Mapping[int, RowPlace]:
        """The lines of the rows that are shown or kept, of a source in a file of lines."""
        shown = {each.row for some in examples for each in some if each.row is not None}
        if self._setting.find_lines is None or not shown:
            return {}
        return self._setting.find_lines(sorted({*shown, *self._found.row_numbers()}))

    def close(self) -> None:
        """Let go of everything."""
        self._found.close()
        self._stack.close()


def encoded_columns(checks: Sequence[Check]) -> frozenset[str]:
    """The columns whose values are told apart before they are judged: those with a slow check, or with several."""
    looks = Counter[str]()
    for check in checks:
        looks.update(check.columns if check.kind in ("in", "not_in", "length") else ())
        looks.update(check.columns * 2 if check.kind in ("matches", "not_blank") else ())
    return frozenset(name for name, count in looks.items() if count > 1)


def _with_lines(record: CheckRecord, lines: Mapping[int, RowPlace]) -> CheckRecord:
    examples = (each if each.row is None else placed(each, lines.get(each.row)) for each in record.result.examples)
    return replace(record, result=replace(record.result, examples=tuple(examples)))


def is_blocking(check: Check, record: CheckRecord) -> bool:
    """Whether the result of a check keeps the table from being published."""
    return record.result.status == "failed" or (record.result.status == "errored" and check.blocks)
