"""Column types by name: Arrow's, parsed and printed without importing pyarrow.

The grammar is what ``str()`` of a ``pyarrow.DataType`` prints (https://arrow.apache.org/docs/python/api/datatypes.html),
with the usual short names beside it. ``lakehouse_cli.arrow.types`` turns a `ColumnType` into Arrow's object.
"""

from __future__ import annotations

import re
from functools import lru_cache

from msgspec import Struct

from lakehouse_cli.text.close_names import suggestion

_PLAIN = (
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *("float32", "float64", "bool", "string", "binary", "date32"),
)
_ALIASES = {"float": "float32", "double": "float64", "date": "date32", "date32[day]": "date32", "utf8": "string"}
_UNITS = {
    "timestamp": ("s", "ms", "us", "ns"),
    "time32": ("s", "ms"),
    "time64": ("us", "ns"),
    "duration": ("s", "ms", "us", "ns"),
}
# What people type out of habit, and the type they mean.
_MEANT = {
    "int": "int64",
    "integer": "int64",
    "bigint": "int64",
    "long": "int64",
    "smallint": "int16",
    "str": "string",
    "text": "string",
    "varchar": "string",
    "object": "string",
    "large_string": "string",
    "boolean": "bool",
    "bytes": "binary",
    "number": "float64",
    "numeric": "decimal128(18, 2)",
    "decimal": "decimal128(18, 2)",
    "datetime": "timestamp[us]",
    "datetime64": "timestamp[us]",
    "datetime64[ns]": "timestamp[ns]",
    "timestamp": "timestamp[us]",
    "time": "time64[us]",
    "time32": "time32[s]",
    "time64": "time64[us]",
    "timedelta": "duration[us]",
    "duration": "duration[us]",
    "date64": "date32",
    "category": "dictionary<string>",
    "categorical": "dictionary<string>",
    "dictionary": "dictionary<string>",
    "list": "list<string>",
    "array": "list<string>",
    "struct": "struct<a: int64>",
    "dict": "struct<a: int64>",
    "map": "map<string, int64>",
    "decimal128": "decimal128(18, 2)",
}
TYPE_EXAMPLES = (
    *_PLAIN,
    "timestamp[us]",
    "timestamp[us, tz=UTC]",
    "time32[s]",
    "time64[us]",
    "duration[us]",
    "decimal128(10, 2)",
    "dictionary<string>",
    "list<int64>",
    "struct<a: int64, b: string>",
    "map<string, int64>",
)


def whole_type(type_id: str) -> str:
    """Return a column type with an id, whole: with a unit, a precision or fields where it needs them.

    >>> whole_type("duration")
    'duration[us]'
    """
    return _MEANT.get(type_id, type_id)


class ColumnTypeError(ValueError):
    """A text that names no column type; `hint` says what to write instead, where that is known."""

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class ColumnType(Struct, frozen=True, omit_defaults=True):
    """One Arrow type.

    Attributes:
        id: ``int8`` … ``uint64``, ``float32``, ``float64``, ``bool``, ``string``, ``binary``, ``date32``,
            ``timestamp``, ``time32``, ``time64``, ``duration``, ``decimal128``, ``dictionary``, ``list``, ``struct``,
            ``map``.
        unit: ``s``, ``ms``, ``us`` or ``ns`` of the temporal types but date32.
        timezone: Of a timestamp; None for wall-clock time.
        precision: Decimal digits in all (1 to 38), of decimal128.
        scale: Decimal digits behind the point (0 to precision), of decimal128.
        fields: Name and type of each child: a struct's fields; ``item`` of a list; ``values`` of a dictionary;
            ``key`` and ``value`` of a map.
    """

    id: str
    unit: str | None = None
    timezone: str | None = None
    precision: int | None = None
    scale: int | None = None
    fields: tuple[tuple[str, ColumnType], ...] = ()

    def __str__(self) -> str:
        if self.unit is not None:
            return f"{self.id}[{self.unit}{f', tz={self.timezone}' if self.timezone else ''}]"
        if self.id == "decimal128":
            return f"decimal128({self.precision}, {self.scale})"
        if self.id in ("list", "dictionary"):
            return f"{self.id}<{self.fields[0][1]}>"
        if self.id == "map":
            return f"map<{', '.join(str(child) for _, child in self.fields)}>"
        if self.id == "struct":
            return f"struct<{', '.join(f'{name}: {type_}' for name, type_ in self.fields)}>"
        return self.id

    @property
    def item(self) -> ColumnType:
        """The type of a list's items or a dictionary's values."""
        return self.fields[0][1]

    @property
    def plain(self) -> ColumnType:
        """The type of its values: of a dictionary that of its items, else itself."""
        return self.item if self.id == "dictionary" else self

    @property
    def is_integer(self) -> bool:
        """Whether it is one of the signed or unsigned integer types."""
        return "int" in self.id

    @property
    def is_float(self) -> bool:
        """Whether it is float32 or float64."""
        return self.id.startswith("float")

    @property
    def is_nested(self) -> bool:
        """Whether values hold other values: list, struct or map."""
        return self.id in ("list", "struct", "map")

    @property
    def is_key_of_maps(self) -> bool:
        """Whether maps may have keys of this type: a plain one, of which every value equals itself and no other."""
        return not (self.is_nested or self.is_float or self.id == "dictionary")


@lru_cache(maxsize=4096)
def parse_column_type(text: str) -> ColumnType:
    """Parse the name of an Arrow type.

    Args:
        text: Such as ``int64``, ``timestamp[us, tz=UTC]`` or ``struct<a: int64, b: list<string>>``.

    Raises:
        ColumnTypeError: The text names no type; says what is wrong and, where it can, what was meant.

    >>> str(parse_column_type("list<item: double>"))
    'list<float64>'
    """
    parser = _Parser(text)
    parsed = parser.type()
    parser.skip_space()
    if parser.rest():
        raise ColumnTypeError(f"unexpected `{parser.rest()}` after column type `{parsed}`")
    return parsed


def unnameable(column_type: ColumnType) -> tuple[str, str] | None:
    """Why the text of a type does not give the type back, so that neither a project file nor a manifest can have it.

    Args:
        column_type: Of data, which have types that cannot be declared: a struct's field may have any name.

    Returns:
        What it has that the grammar does not, and what to do; None where it gives it back.
    """
    if _reads_back(column_type):
        return None
    for name, child in column_type.fields:
        inside = unnameable(child)
        if inside is not None:
            return inside
        if column_type.id == "struct" and not _reads_back(ColumnType("struct", fields=((name, ColumnType("int64")),))):
            return f"a struct field {name!r}, which no column type can name", "rename it in the transform"
    if column_type.timezone is not None:
        in_utc = ColumnType("timestamp", unit=column_type.unit, timezone="UTC")
        hint = f"declare {in_utc}, or convert it to a known time zone in the transform"
        return f"timestamps in `{column_type.timezone}`, which is not a time zone", hint
    return f"{column_type}, which no column type can name", "convert or drop the column"


def _reads_back(column_type: ColumnType) -> bool:
    try:
        return parse_column_type(str(column_type)) == column_type
    except ColumnTypeError:
        return False


class _Parser:
    """Recursive descent over the text of one type."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def rest(self) -> str:
        return self.text[self.at :]

    def skip_space(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def take(self, pattern: str) -> str | None:
        self.skip_space()
        match = re.compile(pattern).match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match.group().strip()

    def expect(self, pattern: str, what: str) -> str:
        found = self.take(pattern)
        if found is None:
            where = f"before `{self.rest()}`" if self.rest() else "at the end"
            raise ColumnTypeError(f"column type `{self.text}` lacks {what} {where}", self.meant(self.text))
        return found

    def type(self) -> ColumnType:
        self.skip_space()
        start = self.at
        name = self.take(r"date32\[day\]|[A-Za-z_][A-Za-z0-9_]*")
        if name is None:
            raise ColumnTypeError(f"`{self.text}` is not a column type", self.meant(self.text))
        name = _ALIASES.get(name, name)
        if name in _PLAIN:
            return ColumnType(name)
        if name in _UNITS and self.take(r"\["):
            return self.temporal(name)
        if name == "decimal128" and self.take(r"\("):
            return self.decimal()
        if name == "list" and self.take("<"):
            return ColumnType("list", fields=(("item", self.child("item")),))
        if name == "dictionary" and self.take("<"):
            return self.dictionary()
        if name == "struct" and self.take("<"):
            return self.struct()
        if name == "map" and self.take("<"):
            return self.map()
        token = self.text[start:].strip() if start == 0 else name
        raise ColumnTypeError(f"`{token}` is not a column type", self.meant(token))

    def temporal(self, name: str) -> ColumnType:
        unit = self.expect("[a-z]+", "a unit")
        if unit not in _UNITS[name]:
            raise ColumnTypeError(f"`{unit}` is not a unit of {name}", f"use one of {', '.join(_UNITS[name])}")
        timezone = None
        if name == "timestamp" and self.take(r",\s*tz\s*="):
            timezone = self.expect(r"[^\]\s]+", "a time zone")
            _check_timezone(timezone)
        self.expect(r"\]", "`]`")
        return ColumnType(name, unit=unit, timezone=timezone)

    def decimal(self) -> ColumnType:
        precision = int(self.expect(r"\d+", "a precision"))
        self.expect(",", "`,`")
        scale = int(self.expect(r"-?\d+", "a scale"))
        self.expect(r"\)", "`)`")
        if not 1 <= precision <= 38:
            hint = f"write one from 1 to 38, such as `decimal128(38, {min(max(scale, 0), 38)})`"
            raise ColumnTypeError(f"the precision of decimal128 is 1 to 38, not {precision}", hint)
        if not 0 <= scale <= precision:
            hint = f"write `decimal128({scale}, {scale})`" if precision < scale <= 38 else "write one of these"
            raise ColumnTypeError(f"the scale of decimal128({precision}, …) is 0 to {precision}, not {scale}", hint)
        return ColumnType("decimal128", precision=precision, scale=scale)

    def child(self, label: str) -> ColumnType:
        """One unnamed child; Arrow prints its name too (``list<item: int64>``)."""
        self.take(rf"(?:{label}|element)\s*:")
        child = self.type()
        self.refuse_not_null()
        self.expect(">", "`>`")
        return child

    def refuse_not_null(self) -> None:
        """Only columns can be declared not null; what is inside of them is not validated."""
        if self.take(r"not null"):
            raise ColumnTypeError("`not null` inside a column type is not supported", "remove it")

    def dictionary(self) -> ColumnType:
        self.take(r"values\s*=")
        values = self.type()
        if values.is_nested or values.id == "dictionary":
            raise ColumnTypeError(f"a dictionary cannot hold `{values}`", "use dictionary<string>")
        if self.take(","):
            self.expect(r"indices\s*=\s*u?int(8|16|32|64)", "`indices=int32`")
            if self.take(r",\s*ordered\s*="):
                self.expect("[01]", "0 or 1")
        self.expect(">", "`>`")
        return ColumnType("dictionary", fields=(("values", values),))

    def map(self) -> ColumnType:
        key = self.type()
        if not key.is_key_of_maps:
            raise ColumnTypeError(f"a map cannot have keys of `{key}`", "use map<string, …>, or a list of structs")
        self.expect(",", "`,` and the type of its values")
        value = self.type()
        self.refuse_not_null()
        self.take(r",\s*keys_sorted")
        self.expect(">", "`>`")
        return ColumnType("map", fields=(("key", key), ("value", value)))

    def struct(self) -> ColumnType:
        fields: list[tuple[str, ColumnType]] = []
        while True:
            name = self.expect(r"[^:<>,]+?(?=\s*:)", "a field name and `:`")
            self.expect(":", "`:`")
            if any(name == known for known, _ in fields):
                raise ColumnTypeError(f"field `{name}` is twice in `{self.text}`", "rename one of the two")
            fields.append((name, self.type()))
            self.refuse_not_null()
            if self.take(">"):
                return ColumnType("struct", fields=tuple(fields))
            self.expect(",", "`,` or `>`")

    @staticmethod
    def meant(text: str) -> str:
        bare = text.strip().lower()
        if bare in _MEANT:
            return suggestion([_MEANT[bare]])
        from difflib import get_close_matches  # not loaded where all types are known

        matches = get_close_matches(bare, [*TYPE_EXAMPLES, *_ALIASES], n=2, cutoff=0.7)
        if matches:
            return suggestion(dict.fromkeys(_ALIASES.get(match, match) for match in matches))
        return "types are Arrow's: int64, float64, string, bool, date32, timestamp[us], decimal128(10, 2), …"


@lru_cache(maxsize=256)
def _check_timezone(name: str) -> None:
    """Refuse a zone that would fail only when data are read."""
    if re.fullmatch(r"[+-](?:0\d|1[0-4]):[0-5]\d", name):
        return
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        from difflib import get_close_matches
        from zoneinfo import available_timezones

        matches = get_close_matches(name, available_timezones(), n=2, cutoff=0.6)
        hint = suggestion(matches) if matches else "use UTC, +01:00, …"
        raise ColumnTypeError(f"`{name}` is not a time zone", hint) from None
