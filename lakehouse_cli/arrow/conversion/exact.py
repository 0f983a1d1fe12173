"""From one Arrow type to another where every value has an exact counterpart, and a reason where one has not."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.conversion import numbers, scales, texts, times
from lakehouse_cli.arrow.conversion.domains import at_rows, check_domain, check_keys
from lakehouse_cli.arrow.conversion.python_kinds import NAMES
from lakehouse_cli.arrow.conversion.refusal import InexactError, true_rows
from lakehouse_cli.arrow.conversion.views import without_views
from lakehouse_cli.arrow.maps import holds_map, map_of, pairs_of
from lakehouse_cli.arrow.types import is_list, plain_type
from lakehouse_cli.arrow.values import compute as pc

Conversion = Callable[[pa.ChunkedArray, pa.DataType], pa.ChunkedArray]

_CONVERSIONS: dict[tuple[str, str], Conversion] = {
    ("integer", "integer"): numbers.integer_to_integer,
    ("integer", "float"): numbers.integer_to_float,
    ("integer", "decimal"): numbers.integer_to_decimal,
    ("float", "integer"): numbers.float_to_integer,
    ("float", "float"): numbers.float_to_float,
    ("float", "decimal"): numbers.float_to_decimal,
    ("decimal", "integer"): numbers.decimal_to_integer,
    ("decimal", "float"): numbers.decimal_to_float,
    ("decimal", "decimal"): numbers.decimal_to_decimal,
    ("text", "text"): texts.to_string,
    ("text", "integer"): texts.text_to_integer,
    ("text", "float"): texts.text_to_float,
    ("text", "decimal"): texts.text_to_decimal,
    ("text", "bool"): texts.text_to_bool,
    ("text", "date"): texts.text_to_date,
    ("text", "timestamp"): texts.text_to_timestamp,
    ("text", "time"): texts.text_to_time,
    ("bytes", "bytes"): texts.to_string,
    ("date", "timestamp"): times.date_to_timestamp,
    ("timestamp", "timestamp"): times.timestamp_to_timestamp,
    ("timestamp", "date"): times.timestamp_to_date,
    ("time", "time"): times.between_units,
    ("duration", "duration"): times.between_units,
}
_HINTS = {
    ("integer", "text"): "make text of them in the transform, as with `.astype(str)`",
    ("float", "text"): "make text of them in the transform, as with `.map('{:g}'.format)`",
    ("bytes", "text"): 'decode them in the transform, as with `.str.decode("utf-8")`',
    ("text", "bytes"): 'encode them in the transform, as with `.str.encode("utf-8")`',
    ("bool", "integer"): "make numbers of them in the transform, as with `.astype(int)`",
    ("integer", "bool"): "compare them in the transform, as with `!= 0`",
    ("timestamp", "time"): "take the time of day in the transform with `.dt.time`",
}
_INTERVAL_HINT = "cast them to text in the query, as with `::VARCHAR`, and declare string"
_NAMES = {**NAMES, "decimal": "decimals", "struct": "structs", "map": "maps"}


def convert(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Convert a column to one of the declarable types, exactly.

    Args:
        column: Of any Arrow type, of a valid structure.
        target: Of `lakehouse_cli.arrow.types.to_arrow`.

    Returns:
        The same values, as many rows, of type `target`.

    Raises:
        InexactError: Some values have no exact counterpart, or are none of their own type; names their rows.
    """
    if column.type == target and kind_of(target) != "dictionary" and not _has_other_names(column.type, target):
        check_domain(column)
        return column
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column), target)])
    column = without_views(column)
    source = kind_of(column.type)
    wanted = kind_of(target)
    if source == "dictionary" or wanted in ("dictionary", "list", "struct", "map"):
        return _convert_nested(column, target)
    check_domain(column)
    if source == "timestamp" and pa.types.is_date64(column.type):
        column = column.cast(pa.timestamp("ms"))
    if source == "decimal" and wanted in ("integer", "float", "decimal") and not scales.has_usual_scale(column.type):
        return scales.unusual_to_number(column, target)
    conversion = _CONVERSIONS.get((source, wanted))
    if conversion is None and pa.types.is_interval(column.type):
        raise InexactError("intervals, whose months have no fixed length", hint=_INTERVAL_HINT, noun=True)
    if conversion is None:
        raise InexactError(
            name_of(column.type),
            hint=_HINTS.get((source, wanted), f"make {_NAMES.get(wanted, wanted)} of them in the transform"),
        )
    return conversion(column, target)


def is_convertible(source: pa.DataType, target: pa.DataType) -> bool:
    """Whether any value of one type but null may have an exact counterpart in another, what is inside of it too.

    Children of type null, or of one that is not known, may have one; empty lists and nulls inside do not count.
    """
    if kind_of(source) == "dictionary" or kind_of(target) == "dictionary":
        return is_convertible(plain_type(source), plain_type(target))
    kinds = kind_of(source), kind_of(target)
    if not {"null", "other"}.isdisjoint(kinds):
        return True
    if kinds == ("struct", "struct"):
        has_same_fields = sorted(field.name for field in source) == sorted(field.name for field in target)
        return has_same_fields and all(is_convertible(source.field(field.name).type, field.type) for field in target)
    if {"list", "map"}.issuperset(kinds):
        return is_convertible(_item_of(source), _item_of(target))
    if {"date", "timestamp"}.issuperset(kinds) and _is_instant(source) != _is_instant(target):
        return False
    return kinds in _CONVERSIONS or kinds[0] == kinds[1]


def _item_of(kind: pa.DataType) -> pa.DataType:
    """The type of the items of a list; a map is one of keys and values, as polars and pandas have it."""
    if pa.types.is_map(kind):
        return pa.struct([pa.field("key", kind.key_type), pa.field("value", kind.item_type)])
    return kind.value_type


def _is_instant(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) and kind.tz is not None


@lru_cache(maxsize=1024)
def kind_of(arrow_type: pa.DataType) -> str:
    """Find the family of an Arrow type, within which and between which conversions are defined."""
    t = pa.types
    families: tuple[tuple[str, bool], ...] = (
        ("null", t.is_null(arrow_type)),
        ("bool", t.is_boolean(arrow_type)),
        ("integer", t.is_integer(arrow_type)),
        ("float", t.is_floating(arrow_type)),
        ("decimal", t.is_decimal(arrow_type)),
        ("text", t.is_string(arrow_type) or t.is_large_string(arrow_type) or t.is_string_view(arrow_type)),
        (
            "bytes",
            t.is_binary(arrow_type)
            or t.is_large_binary(arrow_type)
            or t.is_fixed_size_binary(arrow_type)
            or t.is_binary_view(arrow_type),
        ),
        ("date", t.is_date32(arrow_type)),
        ("timestamp", t.is_timestamp(arrow_type) or t.is_date64(arrow_type)),
        ("time", t.is_time(arrow_type)),
        ("duration", t.is_duration(arrow_type)),
        ("dictionary", t.is_dictionary(arrow_type)),
        ("list", is_list(arrow_type)),
        ("struct", t.is_struct(arrow_type)),
        ("map", t.is_map(arrow_type)),
    )
    return next((name for name, matches in families if matches), "other")


def _has_other_names(kind: pa.DataType, target: pa.DataType) -> bool:
    """Whether equal types give the key and value of a map other names, which a file would keep."""
    return pa.types.is_nested(target) and holds_map(target) and str(kind) != str(target)


def name_of(arrow_type: pa.DataType) -> str:
    """Name the values of an Arrow type for messages."""
    kind = kind_of(arrow_type)
    if kind == "other":
        return getattr(arrow_type, "extension_name", str(arrow_type))
    return _NAMES.get(kind, kind)


def nan_to_null(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Put null for NaN in a float column, as pandas means it."""
    missing = pc.is_nan(column)
    return pc.if_else(missing, av.scalar(None, column.type), column) if pc.any(missing).as_py() else column


def _convert_nested(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Convert to or from a dictionary, or to a list or struct.

    Raises:
        InexactError: As `convert`; its rows are the column's, however deep the value sits.
    """
    if pa.types.is_dictionary(column.type):
        chunks = [chunk.dictionary_decode() for chunk in column.chunks]
        return convert(pa.chunked_array(chunks, column.type.value_type), target)
    if pa.types.is_dictionary(target):
        # One dictionary, in the order of first appearance: what reading the stored column gives as well.
        values = av.joined(convert(column, target.value_type))
        return pa.chunked_array([values.dictionary_encode().cast(target)])
    source = kind_of(column.type)
    wanted = kind_of(target)
    if source == "map" and wanted in ("map", "list"):
        column, source = pa.chunked_array([pairs_of(av.joined(column))]), "list"
    if source == "list" and wanted == "map":
        return pa.chunked_array([_map(av.joined(column), target)])
    if source != wanted:
        raise InexactError(name_of(column.type), hint=f"make a {wanted} of each in the transform")
    # As one chunk, so that the rows of a refusal are the column's.
    return pa.chunked_array([(_list if wanted == "list" else _struct)(av.joined(column), target)])


def _map(pairs: pa.Array, target: pa.DataType) -> pa.Array:
    """Convert lists of keys and values, which polars and pandas have for maps."""
    pair = pa.struct([pa.field("key", target.key_type), pa.field("value", target.item_type)])
    converted = _list(pairs, pa.list_(pair))
    check_keys(converted)
    return map_of(converted, target)


def _list(array: pa.Array, target: pa.DataType) -> pa.Array:
    if pa.types.is_fixed_size_list(array.type):
        array = array.cast(pa.list_(array.type.value_type))
    items = array.flatten()
    lengths = pc.fill_null(pc.list_value_length(array), 0)
    ends = pc.cumulative_sum(lengths.cast(pa.int64()))
    offsets = pa.concat_arrays([av.array([0], pa.int64()), ends]).cast(pa.int32())
    try:
        converted = convert(pa.chunked_array([items]), target.value_type)
    except InexactError as refusal:
        # Of a list made here: views of lists may share items.
        raise at_rows(refusal, pa.ListArray.from_arrays(offsets, items), items) from None
    mask = array.is_null() if array.null_count else None
    return pa.ListArray.from_arrays(offsets, av.joined(converted), type=target, mask=mask)


def _struct(array: pa.Array, target: pa.DataType) -> pa.Array:
    names = [child.name for child in array.type]
    wanted = [child.name for child in target]
    if sorted(names) != sorted(wanted):
        raise InexactError(f"structs with the fields {', '.join(names)}", hint=f"give them {', '.join(wanted)}")
    children = []
    present = array.is_valid()
    for child in target:
        # field() ignores the struct's own nulls; what lies under them need not convert.
        values = array.field(child.name)
        if array.null_count:
            # By place: there is no null scalar of some dictionaries.
            places = pc.if_else(present, av.array(range(len(values)), pa.int64()), av.scalar(None, pa.int64()))
            values = values.take(places)
        try:
            converted = convert(pa.chunked_array([values]), child.type)
        except InexactError as refusal:
            refusal.rows = refusal.rows if refusal.rows is not None else true_rows(values.is_valid())
            raise
        children.append(av.joined(converted))
    mask = array.is_null() if array.null_count else None
    return pa.StructArray.from_arrays(children, fields=list(target), mask=mask)
