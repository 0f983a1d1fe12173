"""Columns of Python objects: sorted by kind of value, each kind made into Arrow exactly, mixtures refused by row.

Arrow's own inference takes bytes for text, cuts nanoseconds and joins wall-clock times with instants, and what it
cannot take it reports without a row; hence the kinds here.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion import exact
from lakehouse_cli.arrow.conversion.numbers import outside
from lakehouse_cli.arrow.conversion.python_kinds import NAMES, NULL, kind_of_type, kinds_of
from lakehouse_cli.arrow.conversion.refusal import EXAMPLES, InexactError, shorten, true_rows
from lakehouse_cli.arrow.types import from_arrow, plain_type, to_arrow
from lakehouse_cli.model import ColumnTypeError, parse_column_type

_EPOCH = dt.datetime(1970, 1, 1)
_EPOCH_UTC = _EPOCH.replace(tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_PLAIN = {"text": pa.large_string(), "integer": pa.int64(), "bool": pa.bool_(), "date": pa.date32()}
_MIXABLE = ({"integer", "float", "decimal"}, {"date", "timestamp"})


def convert_values(values: Sequence[Any], target: pa.DataType | None, *, nan_is_null: bool = True) -> pa.ChunkedArray:
    """Make Arrow of a column of Python objects.

    Args:
        values: Python's, numpy's and pandas' scalars, lists and dicts; None, pandas' NA and NaT are null.
        target: The type declared for the column; None to take the nearest to the values.
        nan_is_null: Whether a float NaN is null, as pandas means it.

    Raises:
        InexactError: Values of a kind that does not become `target`, or of several kinds; names their rows.
    """
    whole = _of_one_plain_kind(values, nan_is_null)
    if whole is not None:
        return _converted_whole(whole, values, target)
    kinds = kinds_of(values, nan_is_null)
    present = [kind for kind in kinds if kind != NULL]
    if not present:
        return pa.chunked_array([pa.nulls(len(values), target or pa.null())])
    _check_kinds(values, kinds, target)
    if target is None and len(present) > 1:
        target = _common_type(values, kinds)
    try:
        return _of_kind(present[0], list(values), target) if len(kinds) == 1 else _scattered(values, kinds, target)
    except InexactError as refusal:
        if refusal.rows is None:
            refusal.rows = av.array(sorted(row for kind in present for row in kinds[kind]), pa.int64())
        if refusal.shown is None:
            refusal.shown = [shorten(values[row]) for row in refusal.rows[:EXAMPLES].to_pylist()]
        raise


def infer_values(values: Sequence[Any]) -> pa.ChunkedArray:
    """Make Arrow of a column of Python objects, in the nearest type of the project file.

    Raises:
        InexactError: Values of several kinds, or of one that no such type holds.
    """
    column = convert_values(values, None, nan_is_null=False)
    known = from_arrow(column.type)
    if known is None:
        raise InexactError(f"values of type {column.type}, for which the project file has no name", noun=True)
    return exact.convert(column, to_arrow(known))


def _of_one_plain_kind(values: Sequence[Any], nan_is_null: bool) -> pa.ChunkedArray | None:
    """The whole column at once, where Arrow can be trusted with it: one kind and nulls; None where it cannot."""
    types = set(map(type, values))
    kinds = {kind_of_type(type_) for type_ in types} - {NULL}
    if "float" in kinds and nan_is_null and not any(value == value for value in values if isinstance(value, float)):
        kinds.discard("float")
    natural = _PLAIN.get(next(iter(kinds))) if len(kinds) == 1 else None
    if natural is None:
        return None
    try:
        if "pandas" in sys.modules:  # else there is none of its nulls, and to ask Arrow would import it
            return pa.chunked_array([pa.array(values, natural, from_pandas=True)])
        return pa.chunked_array([av.array(values, natural)])
    except (pa.ArrowException, OverflowError, UnicodeEncodeError, TypeError, AttributeError):
        return None  # taken value by value, to find the rows


def _converted_whole(column: pa.ChunkedArray, values: Sequence[Any], target: pa.DataType | None) -> pa.ChunkedArray:
    if target is None:
        return column
    try:
        return exact.convert(column, target)
    except InexactError as refusal:
        if refusal.rows is None:
            refusal.rows = true_rows(column.is_valid())
        refusal.shown = [shorten(values[row]) for row in refusal.rows[:EXAMPLES].to_pylist()]
        raise


def _check_kinds(values: Sequence[Any], kinds: dict[str, Sequence[int]], target: pa.DataType | None) -> None:
    present = {kind: rows for kind, rows in kinds.items() if kind != NULL}
    unknown = [kind for kind in present if kind not in NAMES]
    if unknown:
        rows = sorted(row for kind in unknown for row in present[kind])
        hint = "make text of them with `.map(str)`" if target is None or pa.types.is_string(target) else None
        raise _refused(values, rows, " and ".join(unknown), hint, noun=True)
    if len(present) == 1 or any(set(present) <= mixable for mixable in _MIXABLE):
        return
    if target is not None and pa.types.is_map(target) and present.keys() <= {"list", "struct"}:
        return
    # What the declared type holds is what was meant, else the kind of most rows; the others are the mistake.
    meant = _of_declared(target, present) or _of_most(present)
    usual = max((kind for kind in present if kind in meant), key=lambda kind: len(present[kind]))
    rows = sorted(row for kind, of_kind in present.items() if kind not in meant for row in of_kind)
    others = " and ".join(NAMES[kind] for kind in present if kind not in meant)
    raise _refused(values, rows, f"{others} among {NAMES[usual]}", None, noun=True)


def _of_declared(target: pa.DataType | None, present: Collection[str]) -> set[str]:
    """Which of the kinds that are there go with the declared type; none where that is all or nothing of them."""
    if target is None:
        return set()
    declared = exact.kind_of(plain_type(target))
    if declared == "timestamp" and target.tz is not None:
        declared = "instant"
    meant = next((mixable for mixable in _MIXABLE if declared in mixable), {declared}) & set(present)
    if declared == "map":
        meant = {"list", "struct"} & set(present)
    return meant if len(meant) < len(present) else set()


def _of_most(present: Mapping[str, Sequence[int]]) -> set[str]:
    """Which of the kinds that are there, and go together in one column, have the most rows."""
    together = [*({kind} for kind in present), *(mixable & present.keys() for mixable in _MIXABLE)]
    return max(together, key=lambda kinds: sum(len(present[kind]) for kind in kinds))


def _refused(
    values: Sequence[Any], rows: Sequence[int], quality: str, hint: str | None, *, noun: bool = False
) -> InexactError:
    shown = [shorten(values[row]) for row in rows[:EXAMPLES]]
    return InexactError(quality, av.array(rows, pa.int64()), hint=hint, shown=shown, noun=noun)


def _scattered(values: Sequence[Any], kinds: dict[str, Sequence[int]], target: pa.DataType | None) -> pa.ChunkedArray:
    """Each kind converted on its own, the parts put back into their rows."""
    parts: list[pa.Array] = []
    order: list[int] = []
    for kind, rows in kinds.items():
        if kind == NULL:
            continue
        try:
            column = _of_kind(kind, [values[row] for row in rows], target)
        except InexactError as refusal:
            of_kind = av.array(rows, pa.int64())
            refusal.rows = of_kind if refusal.rows is None else of_kind.take(refusal.rows)
            raise
        parts += column.chunks
        order += rows
    joined = pa.chunked_array(parts).combine_chunks() if len({part.type for part in parts}) == 1 else None
    if joined is None:
        raise AssertionError("parts of one column have one type")
    if isinstance(joined, pa.ChunkedArray):
        joined = pa.concat_arrays(joined.chunks)
    places: list[int | None] = [None] * len(values)
    for place, row in enumerate(order):
        places[row] = place
    return pa.chunked_array([joined.take(av.array(places, pa.int64()))])


def _common_type(values: Sequence[Any], kinds: dict[str, Sequence[int]]) -> pa.DataType:
    if "date" in kinds:
        return pa.timestamp("us")
    if "float" in kinds:
        return pa.float64()
    decimals = [values[row] for row in kinds["decimal"]]
    scale = _of_kind("decimal", decimals, None).type.scale
    return pa.decimal128(38, max(scale, 0))


def _of_kind(kind: str, values: list[Any], target: pa.DataType | None) -> pa.ChunkedArray:
    """Values of one kind, none of them null, as Arrow; converted to `target` where there is one."""
    if target is not None and pa.types.is_map(target) and kind in ("list", "struct"):
        return _maps(values, target)
    if kind == "list":
        return _lists(values, target)
    if kind == "struct":
        return _structs(values, target)
    natural = pa.chunked_array([_NATURAL[kind](values, target)])
    return natural if target is None else exact.convert(natural, target)


def _integers(values: list[Any], target: pa.DataType | None) -> pa.Array:
    integers = list(map(int, values))
    least, most = min(integers), max(integers)
    if least >= -(1 << 63) and most < 1 << 63:
        return av.array(integers, pa.int64())
    if least >= 0 and most < 1 << 64:
        return av.array(integers, pa.uint64())
    if (_fits_decimal(least) and _fits_decimal(most)) if target is None else not pa.types.is_integer(target):
        return _decimals([Decimal(value) for value in integers], target)
    low, high = (0, 1 << 64) if target == pa.uint64() else (-(1 << 63), 1 << 63)
    rows = [row for row, value in enumerate(integers) if not low <= value < high]
    limit = target if target is not None else pa.int64()
    raise _refused(values, rows, outside(limit), None)


def _fits_decimal(integer: int) -> bool:
    return abs(integer) < 10**38


def _decimals(values: list[Any], _target: pa.DataType | None) -> pa.Array:
    infinite = [row for row, value in enumerate(values) if not value.is_finite()]
    if infinite:
        raise _refused(values, infinite, "infinite Decimal objects", None, noun=True)
    precision, scale = _decimal_size(values)
    if precision > 38:
        # Zeros at the end are no digits that a type must hold.
        values = list(map(_without_zeros, values))
        precision, scale = _decimal_size(values)
    try:
        return av.array(values, (pa.decimal128 if precision <= 38 else pa.decimal256)(precision, scale))
    except (pa.ArrowException, ValueError):
        long = [row for row, value in enumerate(values) if value.adjusted() > 37 or value.as_tuple().exponent < -38]
        raise _refused(values, long or list(range(len(values))), "of more than 38 digits", None) from None


def _decimal_size(values: Sequence[Decimal]) -> tuple[int, int]:
    """Precision and scale of the smallest type that holds all digits of finite decimals."""
    parts = [value.as_tuple() for value in values]
    exponents = [int(part.exponent) for part in parts]
    scale = max(-min(exponents), 0)
    whole = max(max(len(part.digits) + at, 0) for part, at in zip(parts, exponents, strict=True))
    return max(whole + scale, 1), scale


def _without_zeros(value: Decimal) -> Decimal:
    """The same number without zeros at the end of its fraction; `Decimal.normalize` would round it."""
    sign, digits, exponent = value.as_tuple()
    if not value or not isinstance(exponent, int):
        return Decimal(0)
    zeros = next(count for count, digit in enumerate(reversed(digits)) if digit)
    cut = min(zeros, max(-exponent, 0))
    return Decimal((sign, digits[: len(digits) - cut], exponent + cut))


def _texts(values: list[Any], _target: pa.DataType | None) -> pa.Array:
    try:
        return av.array(values, pa.large_string())
    except UnicodeEncodeError:
        rows = [row for row, value in enumerate(values) if not _is_unicode(value)]
        raise _refused([ascii(value) for value in values], rows, "not valid Unicode (lone surrogates)", None) from None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _timestamps(values: list[Any], _target: pa.DataType | None) -> pa.Array:
    if all(type(value) is dt.datetime for value in values):
        return av.array([_nanoseconds(value) // 1_000 for value in values], pa.timestamp("us"))
    return _ticks(values, [_nanoseconds(value) for value in values], pa.timestamp)


def _instants(values: list[Any], _target: pa.DataType | None) -> pa.Array:
    if all(type(value) is dt.datetime for value in values):
        return av.array([(value - _EPOCH_UTC) // _MICROSECOND for value in values], pa.timestamp("us", "UTC"))
    wall = [value.astimezone(dt.UTC).replace(tzinfo=None) if type(value) is dt.datetime else value for value in values]
    ticks = [_nanoseconds(value) for value in wall]
    return _ticks(values, ticks, lambda unit: pa.timestamp(unit, "UTC"))


def _durations(values: list[Any], _target: pa.DataType | None) -> pa.Array:
    if all(type(value) is dt.timedelta for value in values):
        with suppress(OverflowError):  # Python's go further than 64 bits of microseconds
            return av.array([value // _MICROSECOND for value in values], pa.duration("us"))
    return _ticks(values, [_nanoseconds(value) for value in values], pa.duration)


def _ticks(values: list[Any], nanoseconds: list[int], type_of: Callable[[str], pa.DataType]) -> pa.Array:
    """Counts of nanoseconds, which Python's integers hold whatever their size, in the coarsest unit that is exact."""
    for unit, step in (("us", 1_000), ("ns", 1), ("ms", 1_000_000), ("s", 1_000_000_000)):
        ticks = [value // step for value in nanoseconds]
        if all(value % step == 0 and abs(tick) < 1 << 63 for value, tick in zip(nanoseconds, ticks, strict=True)):
            return av.array(ticks, pa.int64()).cast(type_of(unit))
    raise _refused(values, list(range(len(values))), "too far apart for one unit of time", None)


def _microseconds_of_day(value: dt.time) -> int:
    return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond


def _nanoseconds(value: Any) -> int:
    """A duration, or a wall-clock time since 1970, of Python's, numpy's or pandas' own type."""
    if type(value) is dt.datetime:
        value -= _EPOCH
    if type(value) is dt.timedelta:
        return value // _MICROSECOND * 1_000
    to_numpy = getattr(value, "to_datetime64", None) or getattr(value, "to_timedelta64", None)
    return _numpy_nanoseconds(value if to_numpy is None else to_numpy())


def _numpy_nanoseconds(value: Any) -> int:
    import numpy as np

    unit, step = np.datetime_data(value.dtype)
    per = {"W": 604_800, "D": 86_400, "h": 3_600, "m": 60, "s": 1}
    if unit in per:
        return int(value.astype(np.int64)) * step * per[unit] * 1_000_000_000
    if unit in ("Y", "M"):
        return _numpy_nanoseconds(value.astype("datetime64[D]"))
    return int(value.astype(np.int64)) * step * {"ms": 1_000_000, "us": 1_000, "ns": 1}[unit]


def _lists(values: list[Any], target: pa.DataType | None) -> pa.ChunkedArray:
    if target is not None and not pa.types.is_list(target):
        raise InexactError("lists", hint=f"declare it a list, or make {target} of each in the transform")
    items: list[Any] = []
    offsets = [0]
    parents: list[int] = []
    for row, value in enumerate(values):
        items.extend(value)
        parents.extend([row] * len(value))
        offsets.append(len(items))
    try:
        converted = convert_values(items, None if target is None else target.value_type, nan_is_null=False)
    except InexactError as refusal:
        rows = refusal.rows if refusal.rows is not None else av.array(range(len(items)), pa.int64())
        in_rows = av.array(parents, pa.int64()).take(rows).unique()
        quality, hint = f"lists with items {_also(refusal)}", refusal.hint
        if target is None and all(map(_is_pair, items)) and (kind := _map_of(items)):
            quality, hint = "lists of pairs", f"if they are keys and values, declare the column `{kind}`"
        raise _refused(values, in_rows.to_pylist(), quality, hint, noun=True) from None
    return pa.chunked_array([pa.ListArray.from_arrays(av.array(offsets, pa.int32()), av.joined(converted))])


def _maps(values: list[Any], target: pa.DataType) -> pa.ChunkedArray:
    """Dicts, or lists of pairs."""
    pairs = [list(value.items() if isinstance(value, dict) else value) for value in values]
    odd = [row for row, each in enumerate(pairs) if not all(_is_pair(pair) for pair in each)]
    if odd:
        hint = f"make dicts or lists of pairs of them: {target} has keys and values"
        raise _refused(values, odd, "lists of other items than pairs", hint, noun=True)
    pair = pa.struct([pa.field("key", target.key_type), pa.field("value", target.item_type)])
    structs = [[{"key": key, "value": value} for key, value in each] for each in pairs]
    try:
        return exact.convert(_lists(structs, pa.list_(pair)), target)
    except InexactError as refusal:
        rows = refusal.rows.to_pylist() if refusal.rows is not None else list(range(len(values)))
        raise _refused(values, rows, refusal.quality, refusal.hint, noun=refusal.noun) from None


def _map_of(pairs: Sequence[Any]) -> str | None:
    """The type of maps that has pairs for its keys and values; None where there is none."""
    try:
        key, value = (from_arrow(infer_values([pair[at] for pair in pairs]).type) for at in (0, 1))
        return str(parse_column_type(f"map<{key}, {value}>"))
    except (InexactError, ColumnTypeError):
        return None


def _is_pair(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2


def _also(refusal: InexactError, verb: str = "") -> str:
    """What is wrong with the values inside others, to follow what they are in."""
    return f"holds {refusal.quality}" if verb and refusal.noun else f"{verb} {refusal.quality}".strip()


def _structs(values: list[Any], target: pa.DataType | None) -> pa.ChunkedArray:
    if target is not None and not pa.types.is_struct(target):
        raise InexactError("dicts", hint=f"declare it a struct, or make {target} of each in the transform")
    names = [field.name for field in target] if target is not None else list(Counter(n for v in values for n in v))
    foreign = [row for row, value in enumerate(values) if not value.keys() <= set(names)]
    unnamed = [row for row, value in enumerate(values) if not all(isinstance(name, str) for name in value)]
    if not names:
        raise _refused(values, list(range(len(values))), "dicts without keys", None, noun=True)
    if foreign or unnamed:
        what = f"dicts with other keys than {', '.join(map(str, names))}" if foreign else "dicts with keys not text"
        raise _refused(values, foreign or unnamed, what, None, noun=True)
    arrays = []
    for name in names:
        child = [value.get(name) for value in values]
        try:
            column = convert_values(child, target.field(name).type if target is not None else None, nan_is_null=False)
        except InexactError as refusal:
            rows = refusal.rows.to_pylist() if refusal.rows is not None else list(range(len(values)))
            raise _refused(
                values, rows, f"dicts whose `{name}` {_also(refusal, 'is')}", refusal.hint, noun=True
            ) from None
        arrays.append(av.joined(column))
    fields = list(target) if target is not None else [pa.field(n, a.type) for n, a in zip(names, arrays, strict=True)]
    return pa.chunked_array([pa.StructArray.from_arrays(arrays, fields=fields)])


_NATURAL: dict[str, Callable[[list[Any], pa.DataType | None], pa.Array]] = {
    "bool": lambda values, _target: av.array(list(map(bool, values)), pa.bool_()),
    "integer": _integers,
    "float": lambda values, _target: av.array(list(map(float, values)), pa.float64()),
    "decimal": _decimals,
    "text": _texts,
    "bytes": lambda values, _target: av.array(list(map(bytes, values)), pa.large_binary()),
    "timestamp": _timestamps,
    "instant": _instants,
    "date": lambda values, _target: av.array([value.toordinal() - _EPOCH.toordinal() for value in values], pa.date32()),
    "time": lambda values, _target: av.array(list(map(_microseconds_of_day, values)), pa.time64("us")),
    "duration": _durations,
}
