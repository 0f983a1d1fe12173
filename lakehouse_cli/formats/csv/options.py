"""The options of the CSV format as one checked value."""

from __future__ import annotations

import codecs
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from typing import Any, Self

from msgspec.structs import force_setattr

from lakehouse_cli.errors import StorageError
from lakehouse_cli.formats.csv.values import ValueOptions
from lakehouse_cli.formats.spec import NUMBERS, first_refused
from lakehouse_cli.model import ColumnType

# What none of these can be beside letters and digits, because plain values are made of it.
_TAKEN = {"delimiter": "", "quote_char": " \t", "decimal": "+- ", "escape_char": "+-:. ", "comment": " \t"}
_SUCH_AS = {
    "delimiter": "`,` `;` `|` `\\t` `||` or `whitespace`",
    "quote_char": "`'`",
    "decimal": "`.` or `,`",
    "escape_char": r"`'\'`",
    "comment": '`"#"`',
}
# Options that may be of several characters.
_LONG = frozenset({"delimiter", "comment"})
WHITESPACE = "whitespace"
_ENDS = frozenset("\r\n\0")


class CsvOptions(ValueOptions, frozen=True):
    """How a CSV file is written and read.

    The fields are the options that `lakehouse_cli.formats.csv.spec` describes, None where one is unset. The encoding is
    normalised; the formats of dates and of timestamps are tuples, empty for ISO 8601.
    """

    delimiter: str = ","
    quote_char: str = '"'
    escape_char: str | None = None
    decimal: str = "."
    encoding: str = "utf-8"
    compression: str | None = None
    null_values: tuple[str, ...] = ("",)
    true_values: tuple[str, ...] = ("true", "True", "TRUE", "1")
    false_values: tuple[str, ...] = ("false", "False", "FALSE", "0")
    header: bool = True
    skip_rows: int = 0
    skip_rows_after_header: int = 0
    date_format: tuple[str, ...] = ()
    timestamp_format: tuple[str, ...] = ()
    ambiguous: str = "error"
    lists: str = "json"
    line_terminator: str = "\n"
    comment: str | None = None
    skip_footer: int = 0
    missing_values: str = "error"
    extra_values: str = "error"
    trim: bool = False
    quoted_nulls: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_characters(self)
        if self.trim:
            force_setattr(self, "null_values", tuple(dict.fromkeys(text.strip(" \t") for text in self.null_values)))
        _check_spellings(self)
        force_setattr(self, "encoding", _encoding_name(self.encoding))
        if self.skip_rows_after_header and not self.header:
            raise StorageError(
                "option `skip_rows_after_header` of format csv needs a header, and `header` is false",
                hint="count its rows in `skip_rows` instead",
            )
        if self.epoch_unit is not None and self.timestamp_format:
            raise StorageError(
                "options `timestamp_format` and `epoch_unit` both say how timestamps are spelled",
                hint="remove one of them",
            )
        if self.date_format or self.timestamp_format:
            from lakehouse_cli.formats.csv.directives import check_format

            for option in ("date_format", "timestamp_format"):
                for text in getattr(self, option):
                    check_format(text, option)

    def check_column(self, column_type: ColumnType, own: Collection[str]) -> None:
        """Refuse also a spelling of true or false that is null as well, and a comment that values begin with.

        Raises:
            StorageError: Naming them, and what to do.
        """
        if own:
            super().check_column(column_type, own)
            is_zoned = first_refused(column_type, lambda each: each.timezone is not None) is not None
            if "ambiguous" in own and self.ambiguous != "error" and not is_zoned:
                raise StorageError(
                    f"`ambiguous` is for times of a zone, and {column_type} has none",
                    hint="remove it, or declare the column with `tz=`",
                )
        kind = column_type.plain
        if kind.id == "bool":
            _check_booleans(self)
        if self.comment is not None and any(start.startswith(self.comment) for start in _starts(kind, self)):
            raise StorageError(
                f"option `comment` of format csv is {self.comment!r}, and values of {column_type} may begin so",
                hint="remove it, or set another, such as " + _SUCH_AS["comment"],
            )

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any]) -> Self:
        """Make the value of the ``options`` of a project file, each of the right form.

        Raises:
            StorageError: Options that cannot stand together, or an encoding or format that does not exist.
        """
        values = dict(mapping)
        if values.get("quote_char") == "none" and values.get("escape_char") not in (None, "none"):
            # Without quotes nothing else keeps an empty text apart from null; MySQL and PostgreSQL write null so.
            values.setdefault("null_values", (f"{values['escape_char']}N",))
        if values.get("thousands") == ".":
            values.setdefault("decimal", ",")
        return super().from_mapping(values)

    @property
    def quotes(self) -> bool:
        """Whether values may stand in quotes."""
        return self.quote_char != "none"

    @property
    def arrow_quote(self) -> str:
        """The quote character for Arrow: where the file has none, one that is hardly ever in a text."""
        return self.quote_char if self.quotes else "\x1f" if self.delimiter != "\x1f" else "\x1e"

    @property
    def arrow_delimiter(self) -> str:
        """The delimiter for Arrow, which takes one byte: in place of several, one that is hardly in any text."""
        return self.delimiter if len(self.delimiter.encode()) == 1 else "\x1d"

    @property
    def delimiter_characters(self) -> str:
        """The characters that delimiters are made of."""
        return " \t" if self.delimiter == WHITESPACE else self.delimiter

    @property
    def is_loose(self) -> bool:
        """Whether records must be rewritten for Arrow, which knows none of these options."""
        return bool(
            self.arrow_delimiter != self.delimiter
            or self.comment
            or self.trim
            or (self.missing_values, self.extra_values) != ("error", "error")
            or (self.quoted_nulls and self.escape_char)
        )

    @property
    def null_spellings(self) -> tuple[str, ...]:
        """What is read as null where it is not in quotes."""
        return (*self.null_values, *([f"{self.escape_char}N"] if self.escape_char else []))

    @property
    def null_text(self) -> str | None:
        """How null is written, None where it cannot be."""
        return self.null_values[0] if self.null_values else None


@lru_cache(maxsize=32)
def cell_options(options: ValueOptions) -> CsvOptions:
    """Make the options of CSV by which another format spells single values, its own and else the defaults."""
    names = (name for name in ValueOptions.__struct_fields__ if name != "by_column")
    return CsvOptions(**{name: getattr(options, name) for name in names})


def _check_characters(options: CsvOptions) -> None:
    characters = {"delimiter": options.delimiter, "decimal": options.decimal}
    if options.delimiter == WHITESPACE:
        del characters["delimiter"]
    if options.quotes:
        characters["quote_char"] = options.quote_char
    if options.escape_char is not None:
        characters["escape_char"] = options.escape_char
    if options.comment is not None:
        characters["comment"] = options.comment
    for what, character in characters.items():
        is_long, is_delimiter = what in _LONG, what == "delimiter"
        is_foreign = not (is_delimiter or character.isascii())
        if not character or (len(character) > 1 and not is_long) or is_foreign or set(character) & _ENDS:
            form = f"{'' if is_delimiter else 'ASCII '}characters" if is_long else "one ASCII character"
            raise StorageError(
                f"option `{what}` of format csv must be {form}, not {character!r}", hint=f"such as {_SUCH_AS[what]}"
            )
        same = next((other for other in characters if other != what and characters[other] == character), None)
        are_marks = {what, same} == {"delimiter", "decimal"}
        if same and not (are_marks and _shows_stray_decimals(options)):
            hint = "choose another character for one of them"
            if are_marks:
                hint += ", or leave out `quote_char: none`, `header: false` and `extra_values: ignore`"
            hint = "remove `escape_char`: doubled quotes need none" if same == "escape_char" else hint
            raise StorageError(f"options `{what}` and `{same}` of format csv are both {character!r}", hint=hint)
        if any(map(str.isalnum, character)) or character[0] in _TAKEN[what]:
            raise StorageError(
                f"option `{what}` of format csv cannot be {character!r}, values are made of it",
                hint=f"such as {_SUCH_AS[what]}",
            )
    if options.escape_char is not None and not options.delimiter.isascii():
        raise StorageError(
            f"option `delimiter` of format csv is {options.delimiter!r}, and `escape_char` stands before ASCII alone",
            hint="remove `escape_char` if the file has no escapes; if it has, choose an ASCII `delimiter`",
        )
    _check_overlaps(options, characters)


def _shows_stray_decimals(options: CsvOptions) -> bool:
    """Whether a number with a fraction that lacks its quotes is seen, where the delimiter is the decimal point too.

    Its row has one value too many for the header.
    """
    return options.quotes and options.header and options.extra_values == "error"


def _check_overlaps(options: CsvOptions, characters: Mapping[str, str]) -> None:
    """Refuse options of which one begins or holds another, so that a line could be split in two ways."""
    for what in ("quote_char", "escape_char", "comment"):
        text = characters.get(what)
        if text and set(options.delimiter_characters) & set(text if what != "comment" else text[0]):
            raise StorageError(
                f"options `delimiter` and `{what}` of format csv overlap: {options.delimiter!r} and {text!r}",
                hint="choose another character for one of them",
            )
        if text and what != "comment" and (characters.get("comment") or "")[:1] == text:
            raise StorageError(
                f"options `{what}` and `comment` of format csv overlap: {text!r} and {characters['comment']!r}",
                hint="choose another character for one of them",
            )


def _check_spellings(options: CsvOptions) -> None:
    for what, spellings in (("true_values", options.true_values), ("false_values", options.false_values)):
        if not spellings:
            raise StorageError(f"option `{what}` of format csv is empty", hint=f"such as `{what}: [yes]`")
    both = set(options.true_values) & set(options.false_values)
    if both:
        raise StorageError(
            f"`{min(both)}` is in `true_values` and in `false_values` of format csv", hint="take it out of one of them"
        )
    if options.missing_values == "null" and not options.null_values:
        raise StorageError(
            "`missing_values: null` of format csv needs a spelling of null, and `null_values` is empty",
            hint='name one, such as `null_values: [""]`',
        )
    # Quoted, a spelling of null would be read as text.
    for spelling in options.null_values[:1]:
        unquotable = any(c in spelling for c in (*options.delimiter_characters, options.arrow_quote, "\r", "\n"))
        if unquotable or (options.comment and spelling.lstrip(" \t").startswith(options.comment)):
            raise StorageError(
                f"{spelling!r}, first in `null_values` of format csv, would need quotes, in which it is text",
                hint='put another first, such as `""`; where values in quotes are null, set `quoted_nulls: true` too',
            )


def _check_booleans(options: CsvOptions) -> None:
    for what, spellings in (("true_values", options.true_values), ("false_values", options.false_values)):
        if both := set(options.null_spellings) & set(spellings):
            hint = "take it out of one of them, in the options or for this column alone"
            raise StorageError(
                f"{_shown(min(both))} is in `null_values` and in `{what}` of format csv",
                hint=hint if any(both) else f"{hint}: `null_values: []` where nothing is null",
            )


def _starts(kind: ColumnType, options: CsvOptions) -> Iterator[str]:
    """What may stand before the digits of values of a type, or the elements."""
    if kind.is_nested:
        yield from ("[", "{")
    if kind.id in NUMBERS or kind.id in ("duration", "date32", "timestamp"):
        opening = ("", "(") if options.negative == "parentheses" else ("",)
        for start in ("", "+", "-"):
            for behind in ("", options.decimal, *options.currency):
                yield from (f"{bracket}{start}{behind}" for bracket in opening)


def _shown(spelling: str) -> str:
    return f"`{spelling}`" if spelling else "an empty value"


def _encoding_name(encoding: str) -> str:
    try:
        info = codecs.lookup(encoding)
        "a".encode(encoding)  # refuses codecs that are not of text, such as base64
    except (LookupError, ValueError):
        raise StorageError(
            f"`{encoding}` is not a text encoding", hint="such as utf-8, utf-16, latin-1 or cp1252"
        ) from None
    return info.name
