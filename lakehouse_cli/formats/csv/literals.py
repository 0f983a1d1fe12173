"""Lists as databases print them: ``{1,NULL,"x, y"}`` of PostgreSQL, ``[1, NULL, 'x, y']`` of DuckDB.

Elements that are structs are JSON, as PostgreSQL has them in a ``json[]``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import pyarrow as pa
from msgspec import Struct

from lakehouse_cli.arrow import values as av
from lakehouse_cli.arrow.values import compute as pc
from lakehouse_cli.formats.csv.cells import encode_cell
from lakehouse_cli.formats.csv.nested import BAD, decode_parsed, encode_json, join_lists, json_cells, parse_json
from lakehouse_cli.formats.csv.options import CsvOptions

_TEXT = pa.string()
_BOOLEANS = {"t": True, "true": True, "f": False, "false": False}


class _Style(Struct, frozen=True):
    """How a database prints lists.

    Attributes:
        brackets: The opening and the closing one.
        quote: What stands around elements that need it; it and a backslash are escaped with a backslash inside.
        plain: The pattern of elements that need none, but for the word null.
        is_sparing: Whether none stands where it is not needed, so that a list which has some is another program's.
        true: How it prints true among booleans.
        false: And false.
    """

    brackets: str
    quote: str
    plain: str
    is_sparing: bool
    true: str
    false: str

    @property
    def pattern(self) -> str:
        """Of one token: a bracket or comma, an element in quotes, or one without."""
        special = re.escape(self.brackets + ",")
        quoted = rf"{self.quote}(?P<quoted>(?:[^{self.quote}\\]|\\[{self.quote}\\])*){self.quote}"
        return rf"[ \t\r\n]*(?:(?P<mark>[{special}])|{quoted}|(?P<bare>[^{special}{self.quote}\\]+))[ \t\r\n]*"


_DUCKDB_MARKS = r"""'"(),:=\[\]{}\\"""
_DUCKDB_EDGE = rf"[^ \t\n\v\f\r{_DUCKDB_MARKS}]"
_STYLES = {
    "postgresql": _Style("{}", '"', "[0-9A-Za-z_.+:-]+", False, "t", "f"),
    "duckdb": _Style("[]", "'", f"{_DUCKDB_EDGE}(?:[^{_DUCKDB_MARKS}]*{_DUCKDB_EDGE})?", True, "true", "false"),
}


@lru_cache(maxsize=2)
def _tokens(style: _Style) -> re.Pattern[str]:
    return re.compile(style.pattern)


@lru_cache(maxsize=2)
def _plain(style: _Style) -> re.Pattern[str]:
    return re.compile(style.plain)


def decode_lists(text: pa.Array, to: pa.DataType, options: CsvOptions) -> pa.Array:
    """Make values of a list type of what a database prints; null where the text is null or not of that type."""
    style, leaf = _STYLES[options.lists], leaf_of(to)
    parsed = [None if value is None else _parse(value, style, leaf) for value in text.to_pylist()]
    return decode_parsed(parsed, to, options)


def leaf_of(kind: pa.DataType) -> pa.DataType:
    """The type of the elements of lists, and lists of lists; of a dictionary that of its values."""
    while pa.types.is_list(kind) or pa.types.is_dictionary(kind):
        kind = kind.value_type
    return kind


def _parse(text: str, style: _Style, leaf: pa.DataType) -> Any:
    """A list of lists or of texts, `BAD` where the text is none."""
    opening, closing = style.brackets[0], style.brackets[1]
    token, at = _tokens(style), 0
    root: list[Any] = []
    open_lists = [root]
    needs_element = True
    while at < len(text):
        found = token.match(text, at)
        if found is None:
            return BAD
        at, mark = found.end(), found["mark"]
        if mark == ",":
            if needs_element:
                return BAD
            needs_element = True
        elif mark == closing:
            # An empty list lacks no element, but `[1,]` does.
            if len(open_lists) == 1 or (needs_element and open_lists[-1]):
                return BAD
            open_lists.pop()
            needs_element = False
        elif not needs_element or (len(open_lists) == 1 and (mark != opening or root)):
            return BAD
        elif mark == opening:
            inner: list[Any] = []
            open_lists[-1].append(inner)
            open_lists.append(inner)
        else:
            open_lists[-1].append(_element(found, leaf, style))
            needs_element = False
    return root[0] if len(open_lists) == 1 and root else BAD


def _element(found: re.Match[str], leaf: pa.DataType, style: _Style) -> Any:
    if found["quoted"] is None:
        text = found["bare"].strip(" \t\r\n")
        if text.upper() == "NULL":
            return None
    else:
        text = re.sub(r"\\(.)", r"\1", found["quoted"], flags=re.DOTALL)
        if style.is_sparing and _plain(style).fullmatch(text) and text.upper() != "NULL":
            return BAD
    if pa.types.is_boolean(leaf):
        return _BOOLEANS.get(text, BAD)
    return parse_json(text) if pa.types.is_nested(leaf) else text


def encode_lists(values: pa.Array, options: CsvOptions) -> pa.Array:
    """Make the text of each list, null where it is null."""
    text = _printed(values, _STYLES[options.lists], options)
    return pc.if_else(values.is_valid(), text, av.scalar(None, _TEXT))


def _printed(values: pa.Array, style: _Style, options: CsvOptions) -> pa.Array:
    t = pa.types
    if t.is_dictionary(values.type):
        values = values.dictionary_decode()
    if t.is_list(values.type):
        text = join_lists(values, _printed(values.flatten(), style, options), style.brackets)
    elif t.is_boolean(values.type):
        text = pc.if_else(values, style.true, style.false)
    else:
        is_nested = t.is_nested(values.type)
        text = encode_json(values, options) if is_nested else encode_cell(values, json_cells(options))
        text = _quoted(text, style)
    return pc.if_else(values.is_valid(), text, "NULL")


def _quoted(text: pa.Array, style: _Style) -> pa.Array:
    """In quotes unless it is plain."""
    is_plain = pc.match_substring_regex(text, rf"\A(?s:{style.plain})\z")
    is_plain = pc.and_not(is_plain, pc.equal(pc.utf8_upper(text), "NULL"))
    if not pc.any(pc.invert(is_plain)).as_py():
        return text
    escaped = pc.replace_substring(pc.replace_substring(text, "\\", "\\\\"), style.quote, "\\" + style.quote)
    return pc.if_else(is_plain, text, pc.binary_join_element_wise(style.quote, escaped, style.quote, ""))
