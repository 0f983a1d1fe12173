"""Between integers, floats and decimals, exactly or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.refusal import InexactError, refuse_where
from lakehouse_cli.arrow.values import compute as pc

NOT_WHOLE = "not whole"
_FLOAT32_HINT = 'round them in the transform with `.astype("float32")`, or declare float64'


def bounds(integer: pa.DataType) -> tuple[int, int]:
    """Return the least and greatest value of an integer type."""
    if pa.types.is_signed_integer(integer):
        return -(1 << integer.bit_width - 1), (1 << integer.bit_width - 1) - 1
    return 0, (1 << integer.bit_width) - 1


def outside(integer: pa.DataType) -> str:
    """Describe a value beyond the range of an integer type."""
    low, high = bounds(integer)
    return f"outside {integer} ({low} to {high})"


def integer_to_integer(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Convert any integer type to any other; refuse what is out of range."""

    def locate() -> None:
        least, most = bounds(column.type)
        low, high = bounds(target)
        below = pc.less(column, av.scalar(max(low, least), column.type))
        above = pc.greater(column, av.scalar(min(high, most), column.type))
        refuse_where(pc.or_(below, above), outside(target))

    return cast_or(locate, column, target)


def float_to_integer(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Convert whole floats to integers; refuse fractions, NaN, infinities and what is out of range."""

    def locate() -> None:
        wide = column.cast(pa.float64())
        refuse_where(pc.invert(pc.equal(pc.trunc(wide), wide)), NOT_WHOLE)
        low, high = bounds(target)
        # high + 1 is a power of two and so a float, which high itself need not be.
        in_range = pc.and_(pc.greater_equal(wide, float(low)), pc.less(wide, float(high + 1)))
        refuse_where(pc.invert(in_range), outside(target))

    return cast_or(locate, column, target)


def integer_to_float(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Convert integers to floats; refuse those that no float of that size equals."""
    try:
        return column.cast(target)
    except pa.ArrowInvalid:
        # Arrow refuses all beyond 2^53 (2^24 in float32), though many of them are floats: 2^60, say.
        wide = column.cast(pa.int64() if pa.types.is_signed_integer(column.type) else pa.uint64())
        nearest = wide.cast(target, safe=False)
        back = nearest.cast(pa.float64())
        low, high = bounds(wide.type)
        fits = pc.and_(pc.greater_equal(back, float(low)), pc.less(back, float(high + 1)))
        same = pc.equal(back.cast(wide.type, safe=False), wide)
        refuse_where(pc.invert(pc.and_(fits, same)), f"not exact in {name_of_number(target)}")
        return nearest


def float_to_float(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Convert between float sizes; refuse what the smaller one would round."""
    converted = column.cast(target, safe=False)
    if target.bit_width < column.type.bit_width:
        same = pc.or_(pc.equal(converted.cast(column.type), column), pc.is_nan(column))
        refuse_where(pc.invert(same), f"not exact in {name_of_number(target)}", hint=_FLOAT32_HINT)
    return converted


def integer_to_decimal(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Convert integers to decimals; refuse those with too many digits."""
    # Arrow wants room for the widest integer before it converts any.
    return decimal_to_decimal(column.cast(pa.decimal128(20, 0)), target)


def float_to_decimal(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Convert floats to decimals where the binary value has that many decimal digits (0.5, not 0.1)."""
    wide = column.cast(pa.float64())
    # A float is an odd number over a power of two, 2^k; it has exactly k decimal digits, so that multiplying by
    # 2^scale, which is exact, leaves a whole number just where k <= scale.
    scaled = pc.multiply(wide, float(2**target.scale))
    whole = pc.and_(pc.is_finite(wide), pc.equal(pc.trunc(scaled), scaled))
    text = f"`.map('{{:.{max(target.scale, 0)}f}}'.format)`"
    hint = f"make them exact in the transform: text such as {text}, or Decimal objects of as many digits"
    refuse_where(pc.invert(whole), f"not exact in {target}", hint=hint)
    limit = Decimal(10) ** (target.precision - target.scale)
    values = [None if value is None else Decimal(value) for value in wide.to_pylist()]
    too_large = [value is not None and abs(value) >= limit for value in values]
    refuse_where(av.array(too_large, pa.bool_()), too_many_digits(target))
    return pa.chunked_array([av.array(values, target)])


def decimal_to_decimal(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Convert between precisions and scales; refuse what would lose digits."""
    added = target.scale - column.type.scale
    most = 10**target.precision - 1
    most = most // 10**added if added > 0 else most * 10**-added
    if most < 10**column.type.precision - 1:
        # Before the cast, which lets what is too large for the target's bits wrap.
        limit = _widest_scalar(decimal_of(most, column.type.scale), column.type)
        refuse_where(pc.greater(pc.abs(_widest(column)), limit), too_many_digits(target))

    def locate() -> None:
        wide = _widest(column)
        refuse_where(pc.not_equal(_cut(wide, target.scale).cast(wide.type), wide), f"not exact in {target}")

    return cast_or(locate, column, target)


def decimal_to_integer(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Convert whole decimals to integers."""
    if column.type.bit_width < 128:
        # Arrow wants room for the widest integer in decimals as narrow as these.
        column = column.cast(pa.decimal128(38, column.type.scale))

    def locate() -> None:
        wide = _widest(column)
        if column.type.scale > 0:
            whole = _cut(wide, 0)
            refuse_where(pc.not_equal(whole.cast(wide.type), wide), NOT_WHOLE)
            wide = whole
        low, high = (_widest_scalar(Decimal(bound), wide.type) for bound in bounds(target))
        refuse_where(pc.or_(pc.less(wide, low), pc.greater(wide, high)), outside(target))

    return cast_or(locate, column, target)


def decimal_to_float(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Convert decimals to floats; refuse those that no float equals (0.1, say)."""
    return nearest_floats(column.to_pylist(), target)


def nearest_floats(values: Sequence[Decimal | None], target: pa.DataType) -> pa.ChunkedArray:
    """Convert Python's decimals to floats; refuse those that no float equals."""
    floats = av.array([None if value is None else float(value) for value in values], pa.float64())
    nearest = floats.cast(target, safe=False)
    same = [
        value is None or Decimal(found) == value
        for value, found in zip(values, nearest.cast(pa.float64()).to_pylist(), strict=True)
    ]
    refuse_where(
        pc.invert(av.array(same, pa.bool_())),
        f"not exact in {name_of_number(target)}",
        hint="round them in the transform with `.astype(float)`",
    )
    return pa.chunked_array([nearest])


def cast_or(locate: Callable[[], None], column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Arrow's own checked cast; where that refuses, `locate` raises `InexactError` with the rows."""
    try:
        return column.cast(target)
    except pa.ArrowInvalid:
        locate()
        rows = failing_rows(column, target)
        if len(rows):
            raise InexactError(f"not exact in {name_of_number(target)}", rows) from None
        raise


def failing_rows(column: pa.ChunkedArray | pa.Array, target: pa.DataType) -> pa.Array:
    """0-based positions of the values that Arrow's checked cast refuses, found by halving."""
    failing: list[int] = []
    pending = [(0, len(column))]
    while pending:
        start, length = pending.pop()
        try:
            column.slice(start, length).cast(target)
        except pa.ArrowInvalid:
            if length == 1:
                failing.append(start)
            else:
                half = length // 2
                pending += [(start + half, length - half), (start, half)]
    return av.array(failing, pa.int64())


def name_of_number(target: pa.DataType) -> str:
    """Name a number type as it is declared."""
    return {"float": "float32", "double": "float64"}.get(str(target), str(target))


def _widest(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Decimals of the same scale and the greatest precision, which hold every bound they are compared with."""
    return column.cast(pa.decimal256(76, column.type.scale))


def _cut(wide: pa.ChunkedArray, scale: int) -> pa.ChunkedArray:
    """Without digits behind a scale; Arrow's function for it knows no 76 of them."""
    return wide.cast(pa.decimal256(76, scale), safe=False)


def _widest_scalar(value: Decimal, like: pa.DataType) -> pa.Scalar:
    # Of the same scale: Arrow aligns no others this wide.
    return av.scalar(value, pa.decimal256(76, like.scale))


def decimal_of(digits: int, scale: int) -> Decimal:
    """Make a decimal of its digits, without arithmetic, which rounds to 28 of them."""
    return Decimal((int(digits < 0), tuple(map(int, str(abs(digits)))), -scale))


def too_many_digits(target: pa.DataType) -> str:
    """Describe a value with more digits than a decimal type has."""
    return f"too large for {target}"
