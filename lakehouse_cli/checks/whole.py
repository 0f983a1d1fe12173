"""Checks that are given the table as a whole: a query of `this`, a function of Python's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.refusal import EXAMPLES, true_rows
from lakehouse_cli.arrow.types import without_rows
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.checks.condition_error import ConditionError
from lakehouse_cli.checks.conditions import THIS, Conditions
from lakehouse_cli.checks.functions import called
from lakehouse_cli.checks.judged import Findings, Judged
from lakehouse_cli.checks.piece import Piece
from lakehouse_cli.checks.rows import examples_of, live_rows
from lakehouse_cli.errors import HIDDEN, KEPT_ROWS, Violation
from lakehouse_cli.model.check import Check
from lakehouse_cli.model.manifest import InputRecord
from lakehouse_cli.text.sql import tokens, without_semicolon
from lakehouse_cli.transforms.shared_tables import StreamedTable

if TYPE_CHECKING:
    from lakehouse_cli.runs.spilled_pieces import SpilledPieces

# Bytes of a table that wait in memory.
_IN_MEMORY = 1 << 26
_COLUMNS = 6
_UNKNOWN = "; which rows they are is not known: {}"


class _Waiting(Judged):
    """Keeps the rows that `where` leaves until all are there; a whole table in one piece is not copied."""

    def __init__(self, check: Check, hidden: frozenset[str]) -> None:
        super().__init__(check)
        self.hidden = hidden
        self._held: list[pa.Table] = []
        self._bytes = 0
        self._spilled: SpilledPieces | None = None
        self._stack = ExitStack()
        self._schema: pa.Schema | None = None
        self._numbers: list[Any] = []  # of the rows, where only some are judged

    def piece(self, piece: Piece, found: Findings) -> None:
        """Keep a piece."""
        live = live_rows(self, piece, found)
        data = piece.data if live is None else piece.data.filter(live)
        if live is not None:
            self._numbers.append(np.flatnonzero(av.to_numpy(live)) + piece.start)
        self._schema = data.schema
        self.rows += data.num_rows
        if self._held and self._bytes + data.nbytes > _IN_MEMORY:
            self._spill()
        self._held.append(data)
        self._bytes += data.nbytes

    def _spill(self) -> None:
        assert self._schema is not None  # noqa: S101  # of the first piece
        if self._spilled is None:
            from lakehouse_cli.runs.spilled_pieces import SpilledPieces

            self._spilled = self._stack.enter_context(closing(SpilledPieces(self._schema, "the rows to check")))
        for each in self._held:
            self._spilled.add(each)
        self._held, self._bytes = [], 0

    def table(self) -> pa.Table:
        """All rows."""
        return pa.concat_tables([*self.pieces()])

    def pieces(self) -> Iterator[pa.Table]:
        """All rows, piece by piece."""
        if self._spilled is not None:
            self._spill()
            yield from self._spilled.read()
        yield from self._held
        if self._schema is not None and not self.rows and not self._held:
            yield without_rows(self._schema)

    def add(self, found: Findings, count: int, shown: pa.Table, rows: list[int] | None, every: Any = None) -> None:
        """Add violations that only the whole table shows.

        Args:
            found: Takes them.
            count: How many there are.
            shown: The first of them.
            rows: Their 0-based numbers; None where these are not known.
            every: All of them, from `late_rows`; where their numbers are not known, the rows, piece by piece.
        """
        self.count += count
        hidden = self.hidden
        if rows is None and hidden:
            shown, every = self._masked(shown), None if every is None else map(self._masked, every)
            hidden = frozenset(shown.column_names)
        if shown.num_columns:
            names = shown.column_names[:_COLUMNS]
            some = examples_of(shown, names, range(min(shown.num_rows, EXAMPLES)), hidden)
        else:
            some = ()
        numbers = [None] * len(some) if rows is None else [row + 1 for row in rows[: len(some)]]
        examples = tuple(type(each)(row, each.value) for row, each in zip(numbers, some, strict=True))
        violation = Violation(self.column, self.check.kind, count, self.say(count), examples, self.check.location)
        found.add_of_all(violation, rows, shown, self.say, self.group, every)

    def _masked(self, made: pa.Table) -> pa.Table:
        """Rows that code made of sensitive ones, by whatever names, without their values."""
        own = () if self._schema is None else self._schema.names
        names = [name if name in own else f"column {at}" for at, name in enumerate(made.column_names, 1)]
        return pa.table([pa.chunked_array([av.array([HIDDEN] * len(made), pa.string())])] * len(names), names=names)

    def close(self) -> None:
        """Remove what was spilled."""
        self._held = []
        self._stack.close()


class QueryJudge(_Waiting):
    """Judges `sql`: the rows that a query of `this` returns are violations.

    Args:
        check: The check.
        opened: Gives the connection that runs it.
        schema: The table's columns, without rows.
        hidden: The columns whose values are not shown.
    """

    def __init__(
        self, check: Check, opened: Callable[[], Conditions], schema: pa.Table, hidden: frozenset[str]
    ) -> None:
        super().__init__(check, hidden)
        self._opened = opened
        self._text = without_semicolon(check.arguments["text"])
        self._condition: str | None = None
        try:
            self._condition = opened().row_condition(self._text, schema)
            if self._condition is None:
                opened().bind_query(self._text, schema)
            else:
                self.texts = (*self.texts, self._condition)
        except ConditionError as error:
            self.fail(error)

    def piece(self, piece: Piece, found: Findings) -> None:
        """Judge a piece where the query says of each row whether it is good; else keep it."""
        if self._condition is None:
            super().piece(piece, found)
            return
        from lakehouse_cli.checks.rows import add_rows, true_count

        live = live_rows(self, piece, found)
        bad = pc.fill_null(piece.masks[self._condition], False)
        bad = bad if live is None else pc.and_(bad, live)
        self.rows += piece.rows if live is None else true_count(live)
        if count := true_count(bad):
            self.count += count
            add_rows(self, found, piece, true_rows(bad), count, self.hidden)

    def finish(self, found: Findings) -> None:
        """Run the query on all rows."""
        if self._condition is not None:
            return
        # What did not fit into memory is read from its file where the query names it once: two readers would take
        # rows from each other.
        is_read_once = sum(token.lower().strip('"') == THIS for token in tokens(self._text)) == 1
        is_streamed = self._spilled is not None and is_read_once

        def data() -> pa.Table | StreamedTable:
            return StreamedTable(self.pieces, InputRecord("", self.rows, 0)) if is_streamed else self.table()

        try:
            count, shown = self._opened().query(self._text, data())
        except ConditionError as error:
            self.fail(error)
            return
        if count:
            if self.rejects:
                self.note = _UNKNOWN.format("write it as one condition, `select * from this where …`")
            every = self._every(data, shown) if found.names_every_row and count > len(shown) else None
            self.add(found, count, shown, None, every)

    def _every(self, data: Callable[[], pa.Table | StreamedTable], shown: pa.Table) -> Iterator[pa.Table]:
        """All rows that the query returns; the first where it fails now, such as for want of memory to sort them."""
        pieces = self._opened().rows(self._text, data())
        try:
            first = next(pieces)
        except ConditionError:
            yield shown
            return
        with suppress(ConditionError):
            yield from chain([first], pieces)


class FunctionJudge(_Waiting):
    """Judges `function`: what a function of Python's says of the table.

    Args:
        check: The check.
        folder: The project's.
        hidden: The columns whose values are not shown.
    """

    def __init__(self, check: Check, folder: Path, hidden: frozenset[str]) -> None:
        super().__init__(check, hidden)
        self._folder = folder

    def finish(self, found: Findings) -> None:
        """Call the function."""
        table = self.table()
        try:
            answer = called(self.check.arguments["function"], self._folder, table, self.check.location)
        except ConditionError as error:
            self.fail(error)
            return
        if isinstance(answer, pa.Table):
            if answer.num_rows:
                self.note = _UNKNOWN.format("return a mask, or rows of the frame with its index and all its columns")
                self.add(found, answer.num_rows, answer.slice(0, KEPT_ROWS), None, [answer])
            return
        bad = pc.invert(answer)
        rows = true_rows(bad)
        if len(rows):
            numbers = np.concatenate(self._numbers)[rows.to_numpy()] if self._numbers else rows.to_numpy()
            take, every = self.gathering(found, lambda bad: bad)
            if take is not None:
                take(numbers, table.take(rows))
            self.add(found, len(rows), table.take(rows.slice(0, KEPT_ROWS)), numbers[:KEPT_ROWS].tolist(), every)
