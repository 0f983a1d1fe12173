"""Columns of a partition that are dimensions: filled in where a result lacks them, and judged where it has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse_cli.arrow.conversion.exact import convert
from lakehouse_cli.arrow.conversion.refusal import InexactError
from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.contracts.other_partitions import refusing_others
from lakehouse_cli.errors import ContractError, Violation
from lakehouse_cli.model.partition import HIVE_NULL
from lakehouse_cli.model.period import first_moment
from lakehouse_cli.transforms.call import Unordered

if TYPE_CHECKING:
    from lakehouse_cli.model import Column, Table
    from lakehouse_cli.model.dimension import Every


class DimensionColumns:
    """The declared columns of a partition that are dimensions, with the one value that each has.

    Args:
        table: A partition.
        periods: The periods of its dimensions; None for those of texts.

    Raises:
        ContractError: A value is none of its column's type.
    """

    def __init__(self, table: Table, periods: Mapping[str, Every | None]) -> None:
        key = {} if table.partition is None else table.partition.key
        declared = [each for each in table.columns or () if each.name in key]
        self._values = {each.name: _value(each, key[each.name], periods.get(each.name)) for each in declared}
        self._table = table

    @property
    def row(self) -> pa.Table:
        """The values, as a table of one row."""
        return pa.table(self._values)

    def filled(self, result: pa.Table | Iterator[pa.Table]) -> pa.Table | Iterator[pa.Table]:
        """A result with the columns that it lacks."""
        if not self._values:
            return result
        if isinstance(result, pa.Table):
            return self._fill(result)
        pieces = map(self._fill, result)
        return Unordered(pieces) if isinstance(result, Unordered) else pieces

    def _fill(self, piece: pa.Table) -> pa.Table:
        for name, value in self._values.items():
            if name not in piece.column_names:
                values = value.take(pa.repeat(pa.scalar(0), piece.num_rows))
                piece = piece.append_column(pa.field(name, value.type), values)
        return piece

    def judging(self) -> AbstractContextManager[Callable[[pa.Table], None]]:
        """As `refusing_others`, of a result with all columns."""
        return refusing_others(self._table, self._values)


def _value(column: Column, text: str, every: Every | None) -> pa.Array:
    """The value of a dimension as one of its column's type; a time as it begins."""
    kind = to_arrow(column.type)
    if text == HIVE_NULL:
        return pa.nulls(1, kind)
    given = pa.array([text])
    if every is not None and (pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        moment = first_moment(text, every)
        begin = moment if isinstance(moment, datetime) else datetime(moment.year, moment.month, moment.day)
        given = pa.array([begin], pa.timestamp("us"))
    elif pa.types.is_integer(kind):
        digits = text.lstrip("0") or "0"  # folders are padded to be in order, as in `month=03`
        given = pa.array([digits])
    try:
        return convert(pa.chunked_array([given]), kind).combine_chunks()
    except InexactError as error:
        message = f"column `{column.name}` is {column.type}, and its partition is `{text}`: {error}"
        violation = Violation(column.name, "type", 1, message, (), column.location)
        raise ContractError(message, [violation], hint="declare the column as `string`") from None
