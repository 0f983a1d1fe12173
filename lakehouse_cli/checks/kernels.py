"""The verdict of Arrow's functions on the values of a column: true is good, null is not judged."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.row_hashes import identity
from lakehouse_cli.arrow.types import from_arrow, to_arrow
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.checks.fixed_patterns import fixed_verdict
from lakehouse_cli.checks.piece import Piece
from lakehouse_cli.model import ColumnType
from lakehouse_cli.model.check import Check
from lakehouse_cli.model.exact_value import exact_value
from lakehouse_cli.text.patterns import full_match

#: Given a piece, the verdicts on its rows.
Verdict = Callable[[Piece], pa.ChunkedArray]
_COMPARE = {"min": "greater_equal", "max": "less_equal", "above": "greater", "below": "less"}
#: Kinds that compare with a bound.
BOUNDS = frozenset(_COMPARE)


def verdict_on_values(check: Check, kind: ColumnType) -> Verdict:
    """Compile a check of a column's values.

    Args:
        check: Of a kind that looks at each value by itself.
        kind: The type of the column.
    """
    [name] = check.columns
    arguments = check.arguments
    plain = kind.plain
    if check.kind in _COMPARE:
        bound = _scalars([arguments["bound"]], plain)[0]
        compare = getattr(pc, _COMPARE[check.kind])
        return lambda piece: piece.by_value(name, lambda values: compare(values, bound))
    if check.kind in ("in", "not_in"):
        return _membership(name, _scalars(arguments["values"], plain), is_good=check.kind == "in")
    judge = {"matches": _matches, "length": _length, "not_blank": _not_blank}[check.kind](arguments)
    return lambda piece: piece.by_value(name, judge)


def column_type(declared: ColumnType | None, field: pa.Field) -> ColumnType:
    """The type of a column, as declared or as it came."""
    found = declared or from_arrow(field.type)
    return found if found is not None else ColumnType("string")


def _scalars(texts: list[str], kind: ColumnType) -> pa.Array:
    """Values as they are written, in the type of a column."""
    values = [exact_value(text, kind) for text in texts]
    return av.array([Decimal(value) if kind.id == "decimal128" else value for value in values], to_arrow(kind))


def _membership(name: str, members: pa.Array, *, is_good: bool) -> Verdict:
    is_float = pa.types.is_floating(members.type)
    if is_float:  # Arrow tells 0.0 from -0.0, and one NaN from another, where it looks values up
        members = identity(pa.chunked_array([members])).combine_chunks()

    def judge(values: pa.Array) -> pa.Array:
        if is_float:
            values = identity(pa.chunked_array([values])).combine_chunks()
        found = pc.is_in(values, value_set=members)
        if not is_good:
            found = pc.invert(found)
        return pc.if_else(values.is_valid(), found, av.scalar(None, pa.bool_())) if values.null_count else found

    return lambda piece: piece.by_value(name, judge)


def _matches(arguments: Any) -> Callable[[pa.Array], pa.Array]:
    pattern = full_match(arguments["pattern"])
    return fixed_verdict(arguments["pattern"], lambda values: pc.match_substring_regex(values, pattern=pattern))


def _length(arguments: Any) -> Callable[[pa.Array], pa.Array]:
    least, most = arguments.get("min"), arguments.get("max")

    def judge(values: pa.Array) -> pa.Array:
        if _are_surely(values, least or 0, most):
            return values.is_valid()
        lengths = pc.utf8_length(values)
        verdict = None if least is None else pc.greater_equal(lengths, av.scalar(min(least, _MOST), lengths.type))
        if most is not None:
            upper = pc.less_equal(lengths, av.scalar(min(most, _MOST), lengths.type))
            verdict = upper if verdict is None else pc.and_(verdict, upper)
        return verdict

    return judge


# Lengths are counted in 32 bits.
_MOST = (1 << 31) - 1
# Bytes of a code point.
_WIDEST = 4


def _are_surely(values: pa.Array, least: int, most: int | None) -> bool:
    """Whether all texts have a length between two by their bytes alone, which are counted in a fraction of the time."""
    if values.null_count or not len(values):
        return False
    found = pc.min_max(pc.binary_length(values))
    fewest = found["min"].as_py() if least < 2 else -(-found["min"].as_py() // _WIDEST)
    return bool(fewest >= least and (most is None or found["max"].as_py() <= most))


def _not_blank(arguments: Any) -> Callable[[pa.Array], pa.Array]:
    del arguments

    def judge(values: pa.Array) -> pa.Array:
        left = pc.binary_length(pc.utf8_trim_whitespace(values))
        good = pc.greater(left, av.scalar(0, left.type))
        if pc.all(good).as_py() is False:  # Arrow, as Python, takes the separators of ASCII for white space too
            good = pc.or_(good, pc.match_substring_regex(values, pattern="[\x1c-\x1f]"))
        return good

    return judge
