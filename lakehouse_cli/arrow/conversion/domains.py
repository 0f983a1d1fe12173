"""Values that buffers can hold and their Arrow type cannot: decimals of too many digits, 24:00, bytes that are no text.

Arrow trusts the buffers it is given, and so do its writers; readers refuse such values, or read other ones.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion.refusal import EXAMPLES, InexactError, shown_values, true_rows
from lakehouse_cli.arrow.conversion.timestamp_texts import UNITS
from lakehouse_cli.arrow.maps import holds_map, pairs_of, repeated_keys
from lakehouse_cli.arrow.types import is_list, map_leaves
from lakehouse_cli.arrow.values import compute as pc

_DAY_S = 86_400
WHOLE_NUMBERS = {4: pa.int32(), 8: pa.int64(), 16: pa.decimal128(38, 0), 32: pa.decimal256(76, 0)}
"""By their width in bytes, types of the whole numbers that lie in buffers of decimals and times."""

_Bounds: TypeAlias = tuple[pa.Scalar, pa.Scalar]


def check_domain(column: pa.ChunkedArray) -> None:
    """Check that every value, at whatever depth, is one that its own type has.

    Args:
        column: Of which `validate_structure` holds.

    Raises:
        InexactError: Some are not; its rows are the column's.
    """
    if _has_domain(column.type):
        check_leaves(column, _check)


def refuse_moments(
    values: pa.Array | pa.ChunkedArray,
    days: tuple[int, int],
    microseconds: tuple[int, int],
    quality: str,
    nanoseconds: tuple[int, int] | None = None,
    name_of: Callable[[pa.Scalar], str | None] = lambda _: None,
) -> None:
    """Refuse dates and timestamps that are outside of the ranges of a database.

    Args:
        values: Of any type; others than these are not looked at.
        days: The first and the last date, counted from 1970.
        microseconds: The first and the last timestamp, counted from 1970.
        quality: What those outside are; with ``{}`` for what they are called.
        nanoseconds: The range of timestamps that count nanoseconds; None where it holds all of Arrow's.
        name_of: What the database calls a value; None for one that has no name.

    Raises:
        InexactError: Some are.
    """
    kind = values.type
    if pa.types.is_date32(kind):
        (first, last), counts, name = days, values.cast(pa.int32()), "dates"
    elif pa.types.is_timestamp(kind) and (kind.unit != "ns" or nanoseconds is not None):
        first, last = microseconds if nanoseconds is None or kind.unit != "ns" else nanoseconds
        per = {"s": 1_000_000, "ms": 1_000}.get(kind.unit, 1)
        # Towards zero, so that what is left fits.
        first, last, counts, name = -(-first // per), last // per, values.cast(pa.int64()), "timestamps"
    else:
        return
    rows = true_rows(pc.or_(pc.less(counts, first), pc.greater(counts, last)))
    if len(rows):
        shown = rows[:EXAMPLES].to_pylist()
        texts = zip(shown, shown_values(values, shown), strict=True)
        names = [name_of(values[row]) or text for row, text in texts]
        raise InexactError(quality.format(name), rows, shown=names)


def check_leaves(column: pa.ChunkedArray, check: Callable[[pa.Array], None]) -> None:
    """Check the plain values that a column is made of, at whatever depth.

    Args:
        column: Of any type.
        check: Called with arrays of plain values; raises `InexactError` with their rows.

    Raises:
        InexactError: `check` raised it; with the rows of the column.
    """
    found: list[InexactError] = []
    rows: list[pa.Array] = []
    start = 0
    for chunk in column.chunks:
        try:
            _walk(chunk, check)
        except InexactError as refusal:
            of_chunk = refusal.rows if refusal.rows is not None else true_rows(chunk.is_valid())
            rows.append(pc.add(of_chunk.cast(pa.int64()), av.scalar(start, pa.int64())))
            found.append(refusal)
        start += len(chunk)
    if found:
        first = found[0]
        shown = [text for refusal in found for text in refusal.shown or ()][:EXAMPLES]
        raise InexactError(first.quality, pa.concat_arrays(rows), hint=first.hint, shown=shown or None, noun=first.noun)


def _walk(array: pa.Array, check: Callable[[pa.Array], None]) -> None:
    kind, t = array.type, pa.types
    if t.is_struct(kind):
        union = next((child.type for child in kind if t.is_union(child.type)), None)
        if union is not None:
            # Arrow ends the process: a union has no nulls of its own, to which those of the struct could be added.
            raise InexactError(f"{union} inside of structs", hint="convert or drop the field", noun=True)
        # With the struct's own nulls: what lies under them is nothing.
        for child in array.flatten():
            _walk(child, check)
    elif t.is_map(kind):
        pairs = pairs_of(array)
        _walk(pairs, check)
        check_keys(pairs)
    elif t.is_list(kind) or t.is_large_list(kind) or t.is_fixed_size_list(kind):
        items = array.flatten()
        try:
            _walk(items, check)
        except InexactError as refusal:
            raise at_rows(refusal, array, items) from None
    elif _is_list_view(kind):
        pass  # their items are checked as they become lists: one may stand in several, or in none
    elif t.is_dictionary(kind):
        try:
            _walk(array.dictionary, check)
        except InexactError:
            _walk(array.dictionary_decode(), check)  # of what is used; the rest of a dictionary is nothing
    else:
        check(array)


def validate_structure(column: pa.ChunkedArray) -> None:
    """Validate offsets, texts and indices, and leave the values themselves to `check_domain`.

    Raises:
        ArrowInvalid: Offsets or indices that lead out of their buffers, bytes for text that are none.
    """
    is_bounded = _is_bounded(column.type)
    for chunk in column.chunks:
        # By other types: Arrow would end at the first value that is outside of its own, and names no row.
        (chunk.view(_free(chunk.type)) if is_bounded else chunk).validate(full=True)


def check_keys(pairs: pa.ListArray) -> None:
    """Check that each map has its keys once, and none that is null.

    Args:
        pairs: As `pairs_of` makes them.

    Raises:
        InexactError: With the rows of the maps.
    """
    items = pairs.flatten()
    keys = pc.struct_field(items, [0])
    twice = repeated_keys(pairs)
    if (
        keys.null_count
        and (nulls := at_rows(InexactError("", true_rows(keys.is_null())), pairs, items).rows) is not None
    ):
        rows = pa.concat_arrays([nulls.cast(twice.type), twice]).unique()
        quality = "maps with a key that is null" + (" or that they have twice" if len(rows) > len(nulls) else "")
        raise InexactError(quality, rows.take(pc.sort_indices(rows)), noun=True)
    if len(twice):
        raise InexactError("maps that have a key twice", twice, noun=True)


def check_sound(column: pa.ChunkedArray) -> None:
    """Check what a transform made of buffers: its structure, and that texts are texts.

    Raises:
        InexactError: With the rows of bytes that are no text; without rows for what cannot be looked at.
    """
    try:
        validate_structure(column)
    except pa.ArrowInvalid as error:
        kind = column.type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            raise InexactError(f"what is no valid Arrow data ({error})", shown=()) from None
        raise _no_text(column) from None


def _no_text(column: pa.ChunkedArray) -> InexactError:
    bytes_ = column.cast(pa.large_binary()).to_pylist()
    rows = [row for row, value in enumerate(bytes_) if value is not None and not is_utf8(value)]
    return InexactError(
        "no UTF-8 text",
        av.array(rows, pa.int64()),
        hint="decode them in the transform with the encoding they are in, or declare binary",
        shown=[repr(bytes_[row]) for row in rows[:EXAMPLES]],
    )


def is_utf8(value: bytes) -> bool:
    """Whether bytes are text."""
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _check(array: pa.Array) -> None:
    kind = array.type
    if not _is_bounded(kind):
        return
    if pa.types.is_date64(kind):
        days = array.cast(pa.date32(), safe=False).cast(pa.date64())
        _refuse(array, pc.not_equal(days.view(pa.int64()), array.view(pa.int64())), "no whole day")
        return
    least, most = _bounds(kind)
    numbers = array.view(least.type)
    is_time = pa.types.is_time(kind)
    quality = "no time of a day, which ends before 24:00" if is_time else f"too large for its own type, {kind}"
    _refuse(array, pc.or_(pc.less(numbers, least), pc.greater(numbers, most)), quality)


def _refuse(array: pa.Array, bad: pa.Array, quality: str) -> None:
    rows = true_rows(bad)
    if not len(rows):
        return
    shown = None
    if pa.types.is_temporal(array.type):
        # Python's own types would show the time of the next day.
        counts = array.view(_free(array.type)).take(rows[:EXAMPLES]).to_pylist()
        unit = None if pa.types.is_date64(array.type) else UNITS[array.type.unit]
        shown = [_clock(count, unit) if unit else f"{count} ms since 1970" for count in counts]
    raise InexactError(quality, rows, hint="make text of such values where they come from", shown=shown)


def _clock(count: int, per_second: int) -> str:
    seconds, part = divmod(abs(count), per_second)
    fraction = f".{part:0{len(str(per_second)) - 1}}" if part else ""
    return f"{'-' if count < 0 else ''}{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction}"


def at_rows(refusal: InexactError, lists: pa.Array, items: pa.Array) -> InexactError:
    """Make the refusal of some items of lists one of the lists.

    Args:
        refusal: Its rows are those of `items`; None for all that are not null.
        lists: Of whatever size.
        items: Theirs, as `flatten` gives them.
    """
    parents = pc.list_parent_indices(lists)
    parents = parents.filter(lists.is_valid().take(parents))  # a null may have items, which `flatten` leaves out
    rows = parents.take(refusal.rows if refusal.rows is not None else true_rows(items.is_valid()))
    shown = refusal.shown
    if shown:  # one for each list
        first = rows[: len(shown)].to_pylist()
        shown = [text for at, text in enumerate(shown) if at == 0 or first[at] != first[at - 1]]
    return InexactError(refusal.quality, rows.unique(), hint=refusal.hint, shown=shown, noun=refusal.noun)


def _is_list_view(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind))


@lru_cache(maxsize=1024)
def _is_bounded(kind: pa.DataType) -> bool:
    """Whether buffers may hold what the type does not."""
    t = pa.types
    if t.is_dictionary(kind) or is_list(kind):
        return _is_bounded(kind.value_type)
    if t.is_map(kind):
        return _is_bounded(kind.key_type) or _is_bounded(kind.item_type)
    if t.is_struct(kind):
        return any(_is_bounded(child.type) for child in kind)
    return bool(t.is_decimal(kind) or t.is_time(kind) or t.is_date64(kind))


@lru_cache(maxsize=1024)
def _has_domain(kind: pa.DataType) -> bool:
    """Whether values of a type of a valid structure may be none."""
    return _is_bounded(kind) or holds_map(kind)


@lru_cache(maxsize=1024)
def _free(kind: pa.DataType) -> pa.DataType:
    """A type of the same layout that has every value its buffers can hold."""
    return map_leaves(kind, _free_leaf)


def _free_leaf(kind: pa.DataType) -> pa.DataType:
    t = pa.types
    if not _is_bounded(kind):
        return kind
    if t.is_dictionary(kind):
        return pa.dictionary(kind.index_type, _free(kind.value_type), kind.ordered)
    if _is_list_view(kind):
        return (pa.list_view if t.is_list_view(kind) else pa.large_list_view)(_free(kind.value_type))
    return pa.binary(kind.byte_width) if t.is_decimal(kind) else pa.int32() if kind.bit_width == 32 else pa.int64()


@lru_cache(maxsize=1024)
def _bounds(kind: pa.DataType) -> _Bounds:
    """The least and greatest value of a type, as the whole numbers that lie in its buffers."""
    if pa.types.is_decimal(kind):
        most = 10**kind.precision - 1
        return _number(-most, kind.byte_width), _number(most, kind.byte_width)
    width = kind.bit_width // 8
    return _number(0, width), _number(_DAY_S * UNITS[kind.unit] - 1, width)


def _number(value: int, width: int) -> pa.Scalar:
    # From its bytes: to make a scalar of a Python object, pyarrow imports pandas.
    data = pa.py_buffer(value.to_bytes(width, "little", signed=True))
    return pa.Array.from_buffers(WHOLE_NUMBERS[width], 1, [None, data])[0]
