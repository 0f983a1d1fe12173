"""Lists and structs as JSON text inside a cell.

Integers, booleans and finite floats are JSON's own; everything that JSON has no exact form for is a JSON string with
the text it would have in a cell of its own (``"12.30"``, ``"2020-01-01 05:06:07"``, base64, ``"nan"``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.maps import map_of, pairs_of, repeated_keys
from lakehouse_cli.arrow.types import plain_type
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.formats.csv.cells import decode_cell, encode_cell
from lakehouse_cli.formats.csv.options import CsvOptions, cell_options
from lakehouse_cli.formats.csv.values import ValueOptions

_TEXT = pa.string()
_NULL = av.scalar("null")
_CONTROL = "".join(map(chr, range(0x20))) + "\x7f"


def encode_json(values: pa.Array, options: CsvOptions) -> pa.Array:
    """Make the JSON text of each value, null where it is null."""
    cells = json_cells(options)
    text = json_text(values, lambda leaves: encode_cell(leaves, cells), cells)
    return pc.if_else(values.is_valid(), text, av.scalar(None, _TEXT))


def json_cells(options: ValueOptions) -> CsvOptions:
    """Make the options by which JSON in a cell spells single values: the defaults, but for times and bytes."""
    return cell_options(
        ValueOptions(
            time_format=options.time_format,
            duration_unit=options.duration_unit,
            epoch_unit=options.epoch_unit,
            binary=options.binary,
        )
    )


def json_text(values: pa.Array, leaves: Callable[[pa.Array], pa.Array], cells: CsvOptions) -> pa.Array:
    """Make the JSON text of each value, the word null included.

    Args:
        values: Of any type of the project file.
        leaves: The text of values that are neither lists, structs nor dictionaries, before it is quoted.
        cells: How single values are spelled.
    """
    t = pa.types
    if t.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if t.is_list(kind):
        text = join_lists(values, json_text(values.flatten(), leaves, cells), "[]")
    elif t.is_map(kind):
        text = _json_maps(values, leaves, cells)
    elif t.is_struct(kind):
        inner = [json_text(pc.struct_field(values, [at]), leaves, cells) for at in range(kind.num_fields)]
        text = json_objects([field.name for field in kind], inner)
    else:
        text = leaves(values)
        if t.is_floating(kind):
            text = pc.if_else(pc.is_finite(values), text, _quoted(text))
        elif not (t.is_integer(kind) or t.is_boolean(kind) or (t.is_timestamp(kind) and cells.epoch_unit)):
            text = _quoted(text)
    return pc.if_else(values.is_valid(), text, _NULL)


def join_lists(values: pa.Array, items: pa.Array, brackets: str) -> pa.Array:
    """Join the texts of the items of lists to the text of each list."""
    lengths = av.to_numpy(pc.fill_null(pc.list_value_length(values), 0))
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    joined = pc.binary_join(pa.ListArray.from_arrays(av.from_numpy(offsets, pa.int32()), items), ",")
    return pc.binary_join_element_wise(brackets[0], joined, brackets[1], "")


def _json_maps(values: pa.Array, leaves: Callable[[pa.Array], pa.Array], cells: CsvOptions) -> pa.Array:
    """Make objects, whose names are the keys as text."""
    pairs = pairs_of(values)
    keys, items = (pc.struct_field(pairs.flatten(), [at]) for at in range(2))
    names = _quoted(leaves(keys))
    return join_lists(pairs, pc.binary_join_element_wise(names, json_text(items, leaves, cells), ":"), "{}")


def json_objects(names: Sequence[str], texts: Sequence[pa.Array], end: str = "") -> pa.Array:
    """Join names and values, given as JSON text, to objects, with what comes behind each."""
    parts: list[Any] = []
    for at, (name, text) in enumerate(zip(names, texts, strict=True)):
        parts += [("{" if at == 0 else ",") + json.dumps(name, ensure_ascii=False) + ":", text]
    return pc.binary_join_element_wise(*parts, "}" + end, "")


def _quoted(text: pa.Array) -> pa.Array:
    if pc.any(pc.match_substring_regex(text, r'[\x00-\x1f"\\\x7f]')).as_py():
        text = pc.replace_substring(pc.replace_substring(text, "\\", "\\\\"), '"', '\\"')
        for character in _CONTROL:
            if pc.any(pc.match_substring(text, character)).as_py():
                text = pc.replace_substring(text, character, f"\\u{ord(character):04x}")
    return pc.binary_join_element_wise('"', text, '"', "")


class JsonNumber(str):
    """The text of a JSON number, as opposed to a JSON string."""

    __slots__ = ()


def decode_json(text: pa.Array, to: pa.DataType, options: CsvOptions) -> pa.Array:
    """Make values of a list or struct type of JSON text; null where the text is null or not of that type."""
    return decode_parsed([parse_json(value) for value in text.to_pylist()], to, options)


def decode_parsed(parsed: list[Any], to: pa.DataType, options: CsvOptions) -> pa.Array:
    """Make values of a list or struct type of parsed JSON; null where they are not of that type."""
    values, good = build_values(parsed, to, json_cells(options))
    if good is not None and not good.all():
        values = pc.if_else(av.array(good.tolist(), pa.bool_()), values, av.scalar(None, to))
    return values


def parse_json(value: str | None) -> Any:
    """Parse a JSON text, numbers as their text; `BAD` where it is none, or null."""
    if value is None:
        return None
    try:
        parsed = DECODER.decode(value)
    except (ValueError, RecursionError):
        return BAD
    return BAD if parsed is None else parsed


def _refuse_constant(name: str) -> Any:
    raise ValueError(f'{name} is no JSON; as text, "{name}", it is read as a float')


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name `{twice}` is there twice")
    return fields


def explain_json(value: str) -> str | None:
    """Say why a text is no JSON that is read, where it is JSON but for names that are there twice, NaN and Infinity."""
    try:
        DECODER.decode(value)
    except json.JSONDecodeError:
        return None
    except ValueError as error:
        return str(error)
    return None


BAD: Any = object()
#: Of JSON to Python; numbers stay text, and what is not JSON to the letter is a ValueError.
DECODER = json.JSONDecoder(
    parse_int=JsonNumber, parse_float=JsonNumber, parse_constant=_refuse_constant, object_pairs_hook=_unique
)


def build_values(parsed: list[Any], to: pa.DataType, cells: CsvOptions) -> tuple[pa.Array, Any]:
    """Make an array of parsed JSON, and say which values fit (None: all); `cells` say how single ones are spelled."""
    if pa.types.is_list(to):
        return _build_lists(parsed, to, cells)
    if pa.types.is_map(to):
        return _build_maps(parsed, to, cells)
    if pa.types.is_struct(to):
        return _build_structs(parsed, to, cells)
    return _build_leaves(parsed, to, cells)


def explain_number(value: Any, to: pa.DataType, cells: CsvOptions) -> tuple[str, str] | None:
    """Say why a parsed value does not fit and what to do, where a bare number stands for a duration; else None."""
    if cells.duration_unit is None and not cells.time_format and _has_bare_duration(value, to):
        return "a bare number says no unit", "say the unit in the options: `duration_unit: ms`, or s, us, ns"
    return None


def _has_bare_duration(value: Any, to: pa.DataType) -> bool:
    if pa.types.is_list(to):
        return type(value) is list and any(_has_bare_duration(each, to.value_type) for each in value)
    if pa.types.is_map(to):
        return any(_has_bare_duration(each, to.item_type) for _, each in _pairs(value, to) or ())
    if pa.types.is_struct(to):
        return type(value) is dict and any(_has_bare_duration(value.get(each.name), each.type) for each in to)
    leaf = plain_type(to)
    # NaN and Infinity, which are numbers here too, are of no unit.
    return pa.types.is_duration(leaf) and isinstance(value, JsonNumber) and value[-1:].isdigit()


def _build_lists(parsed: list[Any], to: pa.DataType, cells: CsvOptions) -> tuple[pa.Array, Any]:
    good = np.fromiter((v is None or type(v) is list for v in parsed), bool, len(parsed))
    lists = [v if type(v) is list else () for v in parsed]
    lengths = np.fromiter(map(len, lists), np.int64, len(lists))
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    items, fitted = build_values([item for v in lists for item in v], to.value_type, cells)
    if fitted is not None and not fitted.all():
        owner = np.repeat(np.arange(len(lists)), lengths)
        good[owner[~fitted]] = False
    mask = av.array([type(v) is not list for v in parsed], pa.bool_())
    return pa.ListArray.from_arrays(av.from_numpy(offsets, pa.int32()), items, type=to, mask=mask), good


def _build_structs(parsed: list[Any], to: pa.DataType, cells: CsvOptions) -> tuple[pa.Array, Any]:
    names = {field.name for field in to}
    good = np.fromiter((v is None or (type(v) is dict and v.keys() <= names) for v in parsed), bool, len(parsed))
    structs = [v if type(v) is dict else {} for v in parsed]
    children = []
    for field in to:
        child, fitted = build_values([v.get(field.name) for v in structs], field.type, cells)
        good = good if fitted is None else good & fitted
        children.append(child)
    mask = av.array([type(v) is not dict for v in parsed], pa.bool_())
    return pa.StructArray.from_arrays(children, fields=list(to), mask=mask), good


def _pairs(value: Any, to: pa.DataType) -> list[tuple[Any, Any]] | None:
    """The pairs of a map: an object, or a list of pairs; None where it is neither."""
    if type(value) is dict:
        if pa.types.is_boolean(to.key_type):
            return [({"true": True, "false": False}.get(name, BAD), each) for name, each in value.items()]
        return list(value.items())
    if type(value) is list and all(type(pair) is list and len(pair) == 2 for pair in value):
        return [(key, each) for key, each in value]
    return None


def _build_maps(parsed: list[Any], to: pa.DataType, cells: CsvOptions) -> tuple[pa.Array, Any]:
    found = [None if value is None else _pairs(value, to) for value in parsed]
    lists: list[Any] = [each if not each else [{"key": key, "value": item} for key, item in each] for each in found]
    pair = pa.struct([pa.field("key", to.key_type), pa.field("value", to.item_type)])
    pairs, good = _build_lists(lists, pa.list_(pair), cells)
    good &= np.fromiter((one is None or other is not None for one, other in zip(parsed, found, strict=True)), bool)
    keys = pc.struct_field(pairs.values, [0])
    if keys.null_count:  # null, or no key of this type
        owners = np.repeat(np.arange(len(lists)), [len(each or ()) for each in lists])
        good[owners[av.to_numpy(keys.is_null())]] = False
        kept = [value if fits else None for value, fits in zip(parsed, good.tolist(), strict=True)]
        return _build_maps(kept, to, cells)[0], good
    good[av.to_numpy(repeated_keys(pairs))] = False
    return map_of(pairs, to), good


def _build_leaves(parsed: list[Any], to: pa.DataType, cells: CsvOptions) -> tuple[pa.Array, Any]:
    t = pa.types
    leaf = plain_type(to)
    if t.is_boolean(leaf):
        texts = [{True: "true", False: "false"}.get(v) if type(v) is bool else None for v in parsed]
    elif t.is_string(leaf) or t.is_binary(leaf) or (t.is_duration(leaf) and cells.duration_unit is None):
        texts = [v if type(v) is str else None for v in parsed]
    else:
        texts = [v if isinstance(v, str) else None for v in parsed]
    values = decode_cell(av.array(texts, _TEXT), leaf, cells)
    if leaf is not to:
        values = values.dictionary_encode().cast(to)
    expected = np.fromiter((v is not None for v in parsed), bool, len(parsed))
    valid = av.to_numpy(values.is_valid())
    return values, valid | ~expected
