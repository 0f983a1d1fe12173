"""The check `unique`: no two rows have the same values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.refusal import EXAMPLES, true_rows
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.checks.judged import Findings, Judged
from lakehouse_cli.checks.keys import key_columns, shown_keys, valid_rows
from lakehouse_cli.checks.piece import Piece
from lakehouse_cli.checks.rows import add_rows, examples_of, live_rows, true_count
from lakehouse_cli.checks.uniqueness import Uniqueness
from lakehouse_cli.errors import Violation
from lakehouse_cli.model.check import Check


class SharedValues(Judged):
    """Judges `unique`.

    Args:
        check: The check.
        limit: Bytes of values that may wait in memory.
        hidden: The columns whose values are not shown.
    """

    def __init__(self, check: Check, limit: int, hidden: frozenset[str]) -> None:
        super().__init__(check)
        self._hidden = hidden
        self._values = Uniqueness(limit)
        self._kinds: Sequence[pa.DataType] = ()

    def piece(self, piece: Piece, found: Findings) -> None:
        """Take the values of a piece."""
        check = self.check
        columns = [piece.column(name) for name in check.columns]
        self._kinds = [column.type for column in columns]
        keys = key_columns(columns, equal_nulls=check.nulls == "equal")
        live, valid = live_rows(self, piece, found), valid_rows(keys)
        total = piece.rows if live is None else true_count(live)
        wanted = valid if live is None else live if valid is None else pc.and_(live, valid)
        judged = total if wanted is None else true_count(wanted)
        if check.nulls == "fail" and judged < total:
            null = pc.invert(valid) if live is None else pc.and_(live, pc.invert(valid))
            self.count += total - judged
            add_rows(self, found, piece, true_rows(null), total - judged, self._hidden)
            self.rows += total - judged
        else:
            self.not_judged += total - judged
        self.rows += judged
        if wanted is None:
            self._values.add(keys, range(piece.start, piece.start + piece.rows))
        else:
            rows = np.flatnonzero(av.to_numpy(wanted)) + piece.start
            self._values.add([key.filter(wanted) for key in keys], rows)

    def finish(self, found: Findings) -> None:
        """Judge the values of all pieces."""
        count, first = self._values.shared(self.reject if self.rejects else None)
        if first is None:
            return
        self.count += count
        rows = first.columns[-1].to_pylist()
        values = shown_keys(
            first.select(range(first.num_columns - 1)), self._kinds, equal_nulls=self.check.nulls == "equal"
        )
        shown = pa.table(values, names=list(self.check.columns))
        some = examples_of(shown, self.check.columns, range(len(rows[:EXAMPLES])), frozenset())
        examples = tuple(type(each)(row + 1, each.value) for row, each in zip(rows[:EXAMPLES], some, strict=True))
        violation = Violation(self.column, self.check.kind, count, self.say(count), examples, self.check.location)
        found.add_of_all(violation, rows, shown, self.say, self.group)

    def close(self) -> None:
        """Remove what was spilled."""
        self._values.close()
