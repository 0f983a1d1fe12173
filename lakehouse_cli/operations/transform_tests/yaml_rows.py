"""Rows as YAML: each value as it is read again by the type of its column."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyarrow as pa

from lakehouse_cli.arrow.maps import pairs_of
from lakehouse_cli.config.scalars import core_value, flow_text
from lakehouse_cli.formats.csv.codec import encode
from lakehouse_cli.formats.csv.options import CsvOptions

_PLAIN = CsvOptions()
_BARE = re.compile(r"[\w.+-][\w.+:-]*(?: [\w.+:-]+)?")
_WORDS = re.compile(r"[^\W\d_]\w*(?: \w+)*")
_FLOATS = {"nan": ".nan", "inf": ".inf", "-inf": "-.inf"}


def yaml_rows(table: pa.Table, *, with_nulls: bool) -> list[str]:
    """Write each row as a flow map.

    Args:
        table: The rows, of types that can be declared.
        with_nulls: Whether nulls are written; else they are left out.
    """
    columns = {quoted_text(name): texts_of(table.column(name)) for name in table.schema.names}
    rows = zip(*columns.values(), strict=True) if columns else [()] * table.num_rows
    written = (
        [(n, text) for n, text in zip(columns, row, strict=True) if with_nulls or text != "null"] for row in rows
    )
    return [_flow_map(pairs) for pairs in written]


def _flow_map(pairs: Iterable[tuple[str, str]]) -> str:
    return f"{{{', '.join(f'{name}: {text}' for name, text in pairs)}}}"


def texts_of(values: pa.Array | pa.ChunkedArray) -> list[str]:
    """Write each value of a column."""
    if isinstance(values, pa.ChunkedArray):
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.nulls(0, values.type)
    kind, t = values.type, pa.types
    if t.is_dictionary(kind):
        values, kind = values.cast(kind.value_type), kind.value_type
    if t.is_list(kind):
        return [_null(each) or f"[{', '.join(texts_of(each.values))}]" for each in values]
    if t.is_struct(kind):
        names = [quoted_text(field.name) for field in kind]
        fields = [texts_of(field) for field in values.flatten()]
        rows = zip(*fields, strict=True)
        return [_null(each) or _flow_map(zip(names, row, strict=True)) for each, row in zip(values, rows, strict=True)]
    if t.is_map(kind):
        return [_null(each) or _map(each.values) for each in pairs_of(values)]
    texts = encode(values, _PLAIN).to_pylist()
    if t.is_string(kind) or t.is_binary(kind):
        return ["null" if text is None else quoted_text(text) for text in texts]
    return ["null" if text is None else _plain(_FLOATS.get(text, text)) for text in texts]


def _null(value: pa.Scalar) -> str:
    return "" if value.is_valid else "null"


def _map(pairs: pa.StructArray) -> str:
    keys, items = (texts_of(each) for each in pairs.flatten())
    return _flow_map(zip(keys, items, strict=True))


def _plain(text: str) -> str:
    """A number or a moment, in quotes where YAML would end it early."""
    return text if _BARE.fullmatch(text) else quoted_text(text)


def quoted_text(text: str) -> str:
    """A text as it is written inside `[ ]` and `{ }`, in quotes where it needs them."""
    if _WORDS.fullmatch(text) and isinstance(core_value(text), str):
        return text
    if text.isprintable():
        return flow_text(text)
    return '"' + "".join(_escaped(each) for each in text) + '"'


def _escaped(character: str) -> str:
    if character in ('"', "\\"):
        return f"\\{character}"
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
