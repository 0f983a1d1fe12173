"""The judgement of all checks of a table, in one pass over its pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing

import pyarrow as pa
from msgspec.structs import replace

from lakehouse_cli.checks.conditions import Condition, ConditionError, Conditions
from lakehouse_cli.checks.judged import Findings, Judged
from lakehouse_cli.checks.measures import Measure
from lakehouse_cli.checks.piece import Piece
from lakehouse_cli.checks.rows import RowJudge
from lakehouse_cli.checks.setting import Setting
from lakehouse_cli.checks.shared_values import SharedValues
from lakehouse_cli.checks.whole import FunctionJudge, QueryJudge
from lakehouse_cli.errors import ContractError
from lakehouse_cli.model import Table
from lakehouse_cli.model.check import Check, CheckRecord
from lakehouse_cli.text.counts import plural

# Bytes of values that wait in memory, of all checks that look for equal ones.
_IN_MEMORY = 88 << 20


class Judge:
    """Judges the checks of a table on its pieces; to be closed.

    Args:
        table: With its contract.
        checks: Those to judge.
        setting: What they are judged with.
    """

    def __init__(self, table: Table, checks: Sequence[Check], setting: Setting) -> None:
        self._table = table
        self._checks = checks
        self._setting = setting
        self._stack = ExitStack()
        self._found = Findings(table.contract.sensitive)
        self._judges: list[Judged] | None = None
        self._conditions: Conditions | None = None
        self._parsed: list[Condition] = []
        self._encoded = encoded_columns(checks)
        self._rows = 0

    def piece(self, data: pa.Table) -> None:
        """Judge a piece."""
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
        piece = Piece(data, self._rows, masks, errored, self._encoded)
        for judge in self._judges:
            wrong = next((broken[text] for text in judge.texts if text in broken), None)
            if wrong is not None:
                judge.fail(wrong)
            elif judge.error is None:
                judge.piece(piece, self._found)
        self._found.end_piece(data, self._table.key)
        self._rows += data.num_rows

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
            judge.conditions, judge.hides = texts, bool(self._table.contract.sensitive)
            self._stack.enter_context(closing(judge))
        return judges

    def _parse(self, text: str, schema: pa.Table) -> Condition:
        conditions = self._opened()
        condition = conditions.parse(text, schema.column_names)
        conditions.bind(condition, schema)
        return condition

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
            return SharedValues(check, limit, hidden)
        if check.kind == "sql":
            return QueryJudge(check, self._opened, schema, hidden)
        if check.kind == "function":
            return FunctionJudge(check, self._setting.folder, hidden)
        return RowJudge(check, self._table, schema, self._setting)

    def finish(self) -> tuple[CheckRecord, ...]:
        """What was found in all pieces, of which there was at least one.

        Raises:
            ContractError: A check failed that keeps the table from being published; it carries all records.
        """
        records = []
        for judge in self._judges or ():
            if judge.error is None:
                judge.finish(self._found)
            code = self._setting.codes.get(judge.check.name, "")
            records.append(judge.record(self._found, self._setting.now, code))
        lines = self._lines(records)
        records = [_with_lines(record, lines) for record in records] if lines else records
        refused = [
            judge.violation(record)
            for judge, record in zip(self._judges or (), records, strict=True)
            if is_blocking(judge.check, record)
        ]
        if refused:
            first = refused[0]
            message = first.message if len(refused) == 1 else f"{plural(len(refused), 'check')} failed"
            error = ContractError(message, refused, location=first.location)
            self._found.describe(error, lines)
            error.violations, error.checks = tuple(refused), tuple(records)
            raise error
        return tuple(records)

    def _lines(self, records: Sequence[CheckRecord]) -> Mapping[int, int]:
        """The lines of the rows that are shown or kept, of a source in a file of lines."""
        shown = {each.row for record in records for each in record.result.examples if each.row is not None}
        if self._setting.find_lines is None or not shown:
            return {}
        return self._setting.find_lines(sorted({*shown, *self._found.row_numbers()}))

    def close(self) -> None:
        """Let go of everything."""
        self._stack.close()


def encoded_columns(checks: Sequence[Check]) -> frozenset[str]:
    """The columns whose values are told apart before they are judged: those with a slow check, or with several."""
    looks = Counter[str]()
    for check in checks:
        looks.update(check.columns if check.kind in ("in", "not_in", "length") else ())
        looks.update(check.columns * 2 if check.kind in ("matches", "not_blank") else ())
    return frozenset(name for name, count in looks.items() if count > 1)


def _with_lines(record: CheckRecord, lines: Mapping[int, int]) -> CheckRecord:
    examples = (
        each if each.row is None else replace(each, line=lines.get(each.row)) for each in record.result.examples
    )
    return replace(record, result=replace(record.result, examples=tuple(examples)))


def is_blocking(check: Check, record: CheckRecord) -> bool:
    """Whether the result of a check keeps the table from being published."""
    return record.result.status == "failed" or (record.result.status == "errored" and check.blocks)


#: Given checks, what judges them.
MakeJudge = Callable[[Sequence[Check]], Judge]
