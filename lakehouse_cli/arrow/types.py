"""Between `ColumnType`, which the project file speaks, and pyarrow's types, which data have."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import pyarrow as pa

from lakehouse_cli.model import ColumnType

_PLAIN: dict[str, pa.DataType] = {
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "string": pa.string(),
    "binary": pa.binary(),
    "date32": pa.date32(),
}


@lru_cache(maxsize=4096)
def to_arrow(column_type: ColumnType) -> pa.DataType:
    """Find the Arrow type of a declared type. Dictionaries get int32 indices, unordered."""
    if column_type.id in _PLAIN:
        return _PLAIN[column_type.id]
    match column_type.id:
        case "timestamp":
            return pa.timestamp(column_type.unit, column_type.timezone)
        case "time32":
            return pa.time32(column_type.unit)
        case "time64":
            return pa.time64(column_type.unit)
        case "duration":
            return pa.duration(column_type.unit)
        case "decimal128":
            return pa.decimal128(column_type.precision, column_type.scale)
        case "dictionary":
            return pa.dictionary(pa.int32(), to_arrow(column_type.item))
        case "list":
            return pa.list_(to_arrow(column_type.item))
        case "map":
            (_, key), (_, value) = column_type.fields
            return pa.map_(to_arrow(key), to_arrow(value))
        case "struct":
            return pa.struct([pa.field(name, to_arrow(child)) for name, child in column_type.fields])
    raise AssertionError(f"no Arrow type for {column_type}")


@lru_cache(maxsize=1024)
def from_arrow(arrow_type: pa.DataType) -> ColumnType | None:
    """Find the declarable type that holds every value of an Arrow type exactly, None where there is none.

    Large, narrow and view variants become the plain type, date64 becomes timestamp[ms], float16 float32, null string.
    """
    t = pa.types
    text = str(arrow_type)
    for column_id, plain in _PLAIN.items():
        if arrow_type == plain:
            return ColumnType(column_id)
    if t.is_large_string(arrow_type) or t.is_null(arrow_type) or text == "string_view":
        return ColumnType("string")
    if t.is_large_binary(arrow_type) or t.is_fixed_size_binary(arrow_type) or text == "binary_view":
        return ColumnType("binary")
    if t.is_float16(arrow_type):
        return ColumnType("float32")
    if t.is_date64(arrow_type):
        return ColumnType("timestamp", unit="ms")
    if t.is_timestamp(arrow_type):
        return ColumnType("timestamp", unit=arrow_type.unit, timezone=arrow_type.tz)
    if t.is_time(arrow_type):
        return ColumnType("time32" if t.is_time32(arrow_type) else "time64", unit=arrow_type.unit)
    if t.is_duration(arrow_type):
        return ColumnType("duration", unit=arrow_type.unit)
    if t.is_decimal(arrow_type) and 0 <= arrow_type.scale <= arrow_type.precision <= 38:
        return ColumnType("decimal128", precision=arrow_type.precision, scale=arrow_type.scale)
    return _nested_from_arrow(arrow_type)


def _nested_from_arrow(arrow_type: pa.DataType) -> ColumnType | None:
    if pa.types.is_dictionary(arrow_type):
        values = from_arrow(arrow_type.value_type)
        return None if values is None or values.is_nested else ColumnType("dictionary", fields=(("values", values),))
    if is_list(arrow_type):
        item = from_arrow(arrow_type.value_type)
        return None if item is None else ColumnType("list", fields=(("item", item),))
    if pa.types.is_map(arrow_type):
        key, value = from_arrow(arrow_type.key_type), from_arrow(arrow_type.item_type)
        key = None if key is None else key.plain
        if key is None or value is None or not key.is_key_of_maps:
            return None
        return ColumnType("map", fields=(("key", key), ("value", value)))
    if pa.types.is_struct(arrow_type):
        children = [(child.name, from_arrow(child.type)) for child in arrow_type]
        if not children or len({name for name, _ in children}) < len(children):
            return None
        known = [(name, child) for name, child in children if child is not None]
        return ColumnType("struct", fields=tuple(known)) if len(known) == len(children) else None
    return None


def map_leaves(kind: pa.DataType, change: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """Change the types inside of structs, maps and lists, at every depth; views of lists count as leaves."""
    t = pa.types

    def changed(child: pa.Field) -> pa.Field:
        return child.with_type(map_leaves(child.type, change))

    if t.is_struct(kind):
        return pa.struct([changed(child) for child in kind])
    if t.is_map(kind):
        return pa.map_(changed(kind.key_field), changed(kind.item_field))
    if t.is_fixed_size_list(kind):
        return pa.list_(changed(kind.value_field), kind.list_size)
    if t.is_list(kind) or t.is_large_list(kind):
        return (pa.list_ if t.is_list(kind) else pa.large_list)(changed(kind.value_field))
    return change(kind)


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of a column's values: of a dictionary that of its items, else itself."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def plain_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of the values of a dictionary, else itself."""
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def holds(kind: pa.DataType, is_such: Callable[[pa.DataType], bool]) -> bool:
    """Whether a type is such a one, or has one inside of its structs, maps and lists."""
    if is_such(kind):
        return True
    if pa.types.is_dictionary(kind) or not pa.types.is_nested(kind) or pa.types.is_union(kind):
        return False
    return any(holds(kind.field(at).type, is_such) for at in range(kind.num_fields))


def is_list(arrow_type: pa.DataType) -> bool:
    """Whether values of a type are lists, however they are laid out."""
    t = pa.types
    plain: bool = t.is_list(arrow_type) or t.is_large_list(arrow_type) or t.is_fixed_size_list(arrow_type)
    return plain or bool(t.is_list_view(arrow_type) or t.is_large_list_view(arrow_type))


def without_rows(schema: pa.Schema) -> pa.Table:
    """Make a table without rows; `pa.Schema.empty_table` knows no dictionaries of times within other types."""
    return pa.Table.from_arrays([pa.nulls(0, kind) for kind in schema.types], schema=schema)
