"""Checks that say of each row by itself whether it is good: values, conditions, references."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.refusal import EXAMPLES, shown_values, true_rows
from lakehouse_cli.arrow.types import plain_column
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.checks.condition_error import ConditionError
from lakehouse_cli.checks.judged import Findings, Judged
from lakehouse_cli.checks.kernels import BOUNDS, Verdict, column_type, verdict_on_values
from lakehouse_cli.checks.keys import shown_keys
from lakehouse_cli.checks.piece import Piece
from lakehouse_cli.checks.setting import Setting
from lakehouse_cli.errors import HIDDEN, Example, LakehouseError, Violation
from lakehouse_cli.model import Table
from lakehouse_cli.model.check import Check
from lakehouse_cli.text.counts import count_text, plural

if TYPE_CHECKING:
    from lakehouse_cli.checks.references import References


def true_count(mask: pa.ChunkedArray | pa.Array) -> int:
    """How many elements of a boolean mask are true."""
    if isinstance(mask, pa.ChunkedArray):
        return sum(chunk.true_count for chunk in mask.chunks)
    return int(mask.true_count)


def live_rows(judged: Judged, piece: Piece, found: Findings) -> pa.ChunkedArray | None:
    """The rows of a piece that a check judges, by `where` and for want of errors; None for all. Errors are added."""
    live = None
    texts = judged.texts
    errors = [piece.errored[text] for text in texts if text in piece.errored]
    where = judged.check.where
    if where is not None:
        live = pc.fill_null(piece.masks[where], False)
    if errors:
        raised = errors[0]
        for each in errors[1:]:
            raised = pc.or_(raised, each)
        if live is not None and len(errors) == len(texts) and len(texts) > 1:
            # Rows that `where` leaves out are none of its business.
            raised = pc.and_(raised, pc.or_(live, errors[0]))
        _add_raised(judged, found, piece, true_rows(raised))
        live = pc.invert(raised) if live is None else pc.and_(live, pc.invert(raised))
    return live


def _add_raised(judged: Judged, found: Findings, piece: Piece, rows: pa.Array) -> None:
    """Add the rows of a piece in which SQL raises."""
    if not len(rows):
        return
    first = rows[:EXAMPLES].to_pylist()
    text = next(each for each in judged.texts if each in piece.errored and piece.errored[each][first[0]].as_py())
    names = judged.conditions[text].columns
    shown = examples_of(piece.data, names, first, judged.sensitive)
    if judged.raised is None:
        examples = tuple(Example((each.row or 0) + piece.start, each.value) for each in shown)
        hides = not judged.sensitive.isdisjoint(names)
        why = "" if hides else f": {judged.why(judged.conditions[text], piece.data.slice(first[0], 1))}"
        judged.raised = why, examples
    judged.errored += len(rows)
    violation = Violation(None, judged.check.kind, len(rows), judged.say_raised(len(rows)), shown)
    found.add(violation, rows, judged.say_raised, names, "" if judged.check.blocks else None)


class RowJudge(Judged):
    """Judges a check whose verdict on a row needs no other row.

    Args:
        check: The check.
        table: It is of.
        schema: The table's columns, without rows.
        setting: What it is judged with.
    """

    def __init__(self, check: Check, table: Table, schema: pa.Table, setting: Setting) -> None:
        super().__init__(check)
        self._hidden = table.contract.sensitive
        self._setting = setting
        self._references: References | None = None
        self._own: Sequence[str] = ()
        self._live: pa.ChunkedArray | None = None
        self._kinds: Sequence[pa.DataType] = [schema.schema.field(name).type for name in check.columns]
        self._nans = 0
        # Of a bound, NaN is on no side; of a sensitive column it would be a value that is shown.
        is_bound = check.kind in BOUNDS and pa.types.is_floating(self._kinds[0])
        self._tells_nan = is_bound and self._hidden.isdisjoint(check.columns)
        if check.kind == "expression":
            self.texts = (*self.texts, check.arguments["text"])
            self._verdict: Verdict = lambda piece: piece.masks[check.arguments["text"]]
        elif check.kind == "foreign_key":
            self._verdict = self._referenced
            self._prepare(table)
        else:
            declared = {column.name: column.type for column in table.columns or ()}
            [name] = check.columns
            try:
                kind = column_type(declared.get(name), schema.schema.field(name))
                self._verdict = verdict_on_values(check, kind)
            except (ValueError, pa.ArrowException) as error:
                self.fail(ConditionError(str(error)))

    def _prepare(self, table: Table) -> None:
        parent = self.check.arguments["table"]
        if parent == table.name:
            from lakehouse_cli.checks.references import References

            self._references = References(own=True)
            self._own = self.check.arguments["references"]
            return
        content = self._setting.others.content(parent)
        if content is None:
            self.skipped = self._setting.others.why_not(parent)
        else:
            self.against = content

    def _referenced(self, piece: Piece) -> pa.ChunkedArray:
        columns = [piece.column(name) for name in self.check.columns]
        if self._live is not None:  # what is put aside is judged later
            columns = [_only(column, self._live) for column in columns]
        if self._references is None:
            from lakehouse_cli.checks.references import References

            self._references = References()
            parent = self.check.arguments["table"]
            self._references.read(self._setting.others.columns(parent, self.check.arguments["references"]))
        if self._own:
            self._references.read([[piece.column(name) for name in self._own]])
        return self._references.verdict(columns, piece.start)

    def piece(self, piece: Piece, found: Findings) -> None:
        """Judge a piece."""
        if self.skipped is not None:
            return
        live = self._live = live_rows(self, piece, found)
        try:
            good = self._verdict(piece)
        except (LakehouseError, pa.ArrowException) as error:
            self.fail(ConditionError(getattr(error, "message", None) or f"cannot be judged: {error}", quotes=True))
            return
        total = piece.rows
        if live is not None:
            total = true_count(live)
            good = pc.if_else(live, good, av.scalar(None, pa.bool_()))
        valid = len(good) - good.null_count
        not_judged = total - valid
        if self.check.nulls == "fail" and not_judged:
            good = pc.fill_null(good, False)
            good = good if live is None else pc.if_else(live, good, av.scalar(None, pa.bool_()))
            valid, not_judged = total, 0
        bad = valid - true_count(good)
        self.rows += valid
        self.not_judged += not_judged
        if not bad:
            return
        self.count += bad
        rows = true_rows(pc.invert(good))
        if self._tells_nan:
            is_nan = pc.fill_null(pc.is_nan(piece.column(self.check.columns[0]).take(rows)), False)
            if nans := true_count(is_nan):
                self._nans += nans
                add_rows(self, found, piece, rows.filter(is_nan), nans, self._hidden, self._say_nan)
                bad, rows = bad - nans, rows.filter(pc.invert(is_nan))
        if bad:
            add_rows(self, found, piece, rows, bad, self._hidden)

    def _say_nan(self, count: int) -> str:
        are = f"{plural(count, 'value')} of `{self.check.columns[0]}` {'is' if count == 1 else 'are'} NaN"
        return f"check `{self.check.name}`: {are}"

    def said(self) -> str:
        """What is said of all violations."""
        nans = self._nans
        if nans in (0, self.count):
            return self._say_nan(nans) if nans else super().said()
        return f"{self.say(self.count - nans)}, and {count_text(nans)} {'is' if nans == 1 else 'are'} NaN"

    def examples(self, found: Findings) -> tuple[Example, ...]:
        """The first of the violations."""
        first = super().examples(found)
        nan = found.found(self.column, self.check.kind, self._say_nan(2)) if self._nans else None
        return (
            first if nan is None else tuple(sorted((*first, *nan.examples), key=lambda each: each.row or 0))[:EXAMPLES]
        )

    def finish(self, found: Findings) -> None:
        """Judge the references that were put aside."""
        if self._references is None:
            return
        take, every = self.gathering(found, self._shown)
        count, first = self._references.missing(take)
        if not count or first is None:
            return
        self.count += count
        rows, shown = first["row"].to_pylist(), self._shown(first)
        some = examples_of(shown, shown.column_names, range(len(rows[:EXAMPLES])), self._hidden)
        examples = tuple(Example(row + 1, each.value) for row, each in zip(rows, some, strict=False))
        violation = Violation(self.column, self.check.kind, count, self.say(count), examples, self.check.location)
        found.add_of_all(violation, rows, shown, self.say, self.group, every)

    def _shown(self, keys: pa.Table) -> pa.Table:
        """The values of references that were put aside."""
        from lakehouse_cli.checks.references import unjoined

        values = shown_keys(unjoined(keys["key"], self._kinds), self._kinds)
        return pa.table(values, names=list(self.check.columns))

    def close(self) -> None:
        """Remove what was spilled."""
        if self._references is not None:
            self._references.close()


def _only(column: pa.ChunkedArray, live: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column with null in the rows that are not judged."""
    plain = plain_column(column)
    return pc.if_else(live, plain, pa.nulls(1, plain.type)[0])


def add_rows(
    judged: Judged,
    found: Findings,
    piece: Piece,
    rows: pa.Array,
    count: int,
    hidden: frozenset[str],
    say: Callable[[int], str] | None = None,
) -> None:
    """Add the rows of a piece that violate a check to what was found; `say` where it is not what is said of others."""
    judged.reject(rows, piece.start)
    say = say or judged.say
    data = piece.data
    check = judged.check
    columns = check.columns or _named(judged, data)
    first = rows[:EXAMPLES].to_pylist()
    examples = examples_of(data, columns, first, hidden)
    violation = Violation(judged.column, check.kind, count, say(count), examples, check.location)
    found.add(violation, rows, say, columns or None, judged.group)


def _named(judged: Judged, data: pa.Table) -> Sequence[str]:
    """The columns that the condition of a check names."""
    own = [judged.conditions[text].columns for text in judged.texts if text in judged.conditions][-1:]
    return [name for each in own for name in each if name in data.column_names]


def examples_of(
    data: pa.Table, columns: Sequence[str], rows: Sequence[int], hidden: frozenset[str]
) -> tuple[Example, ...]:
    """The values of some rows, by 0-based position; of several columns with their names."""
    texts = [[HIDDEN] * len(rows) if name in hidden else shown_values(data.column(name), rows) for name in columns]
    if len(columns) == 1:
        return tuple(Example(row + 1, text) for row, text in zip(rows, texts[0], strict=True))
    lines = [
        ", ".join(f"{name} {each[at]}" for name, each in zip(columns, texts, strict=True)) for at in range(len(rows))
    ]
    return tuple(Example(row + 1, line) for row, line in zip(rows, lines, strict=True))
