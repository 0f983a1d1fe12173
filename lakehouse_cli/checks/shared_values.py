"""The check `unique`: no two rows have the same values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

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
from lakehouse_cli.contracts.keys import OtherPartitions, add_taken
from lakehouse_cli.errors import Violation
from lakehouse_cli.model.check import SHARED, Check
from lakehouse_cli.model.partition import Partition
from lakehouse_cli.text.counts import plural

# Other partitions that are named.
_FEW = 3


class SharedValues(Judged):
    """Judges `unique`.

    Args:
        check: The check.
        limit: Bytes of values that may wait in memory.
        hidden: The columns whose values are not shown.
        others: Of one partition, the others.
    """

    def __init__(self, check: Check, limit: int, hidden: frozenset[str], others: OtherPartitions | None = None) -> None:
        super().__init__(check)
        self._hidden, self._others = hidden, others
        self._shared = Counter[Partition]()
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
        rows: Any = range(piece.start, piece.start + piece.rows)
        if wanted is not None:
            rows = np.flatnonzero(av.to_numpy(wanted)) + piece.start
            keys, columns = [key.filter(wanted) for key in keys], [column.filter(wanted) for column in columns]
        if self._others is not None:
            taken, partitions = self._others.taken(check.name, columns)
            if len(taken):
                numbers = np.asarray(rows, np.int64)
                self._add_taken(found, piece, numbers[taken], [column.take(taken) for column in columns], partitions)
                left = np.ones(len(numbers), np.uint8)
                left[taken] = 0
                rows, mask = numbers[left > 0], av.from_numpy(left, pa.uint8()).cast(pa.bool_())
                keys = [key.filter(mask) for key in keys]
        self._values.add(keys, rows)

    def _add_taken(
        self, found: Findings, piece: Piece, rows: Any, values: Sequence[Any], partitions: Sequence[Partition]
    ) -> None:
        """Add rows of which other partitions have the values; none of them is judged among those of its own."""
        self.count += len(rows)
        self.reject(rows)
        self._shared.update(partitions)
        self.note = f", {plural(self._shared.total(), 'row')} with {self._partitions}"
        shown = pa.table([column[:EXAMPLES] for column in values], names=list(self.check.columns))
        violation = Violation(self.column, self.check.kind, len(rows), self.say(len(rows)), (), self.check.location)
        add_taken(found, violation, rows - piece.start, shown, partitions, self.say)

    @property
    def _partitions(self) -> str:
        some = sorted(self._shared)
        more = f" and {len(some) - _FEW:,} more" if len(some) > _FEW else ""
        return f"partition{'s' * (len(some) > 1)} {'; '.join(map(str, some[:_FEW]))}{more}"

    def state(self) -> Mapping[str, str]:
        """The other partitions that have some of the values."""
        return {SHARED: self._partitions} if self._shared else {}

    def finish(self, found: Findings) -> None:
        """Judge the values of all pieces."""
        take, every = self.gathering(found, self._shown)
        count, first = self._values.shared(take)
        if first is None:
            return
        self.count += count
        rows = first.columns[-1].to_pylist()
        shown = self._shown(first.select(range(first.num_columns - 1)))
        some = examples_of(shown, self.check.columns, range(len(rows[:EXAMPLES])), frozenset())
        examples = tuple(type(each)(row + 1, each.value) for row, each in zip(rows[:EXAMPLES], some, strict=True))
        violation = Violation(self.column, self.check.kind, count, self.say(count), examples, self.check.location)
        found.add_of_all(violation, rows, shown, self.say, self.group, every)

    def _shown(self, keys: pa.Table) -> pa.Table:
        values = shown_keys(keys, self._kinds, equal_nulls=self.check.nulls == "equal")
        return pa.table(values, names=list(self.check.columns))

    def close(self) -> None:
        """Remove what was spilled."""
        self._values.close()
