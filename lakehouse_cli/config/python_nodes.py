"""Values of Python → the nodes that the same YAML would give, each at the place of its call."""

from __future__ import annotations

import keyword
import math
import os
import re
from base64 import b64encode
from collections.abc import Mapping as AnyMapping
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path, PurePath
from types import FunctionType
from typing import Any

from lakehouse_cli.config.problems import Problems, quoted
from lakehouse_cli.config.source import PlacedMark, SourceFile
from lakehouse_cli.config.yaml_tree import MAX_DEPTH, Broken, Mapping, Node, Scalar, Sequence
from lakehouse_cli.declarations import Column, Place
from lakehouse_cli.errors import Location
from lakehouse_cli.model import ColumnType, ColumnTypeError, parse_column_type
from lakehouse_cli.text.regular_files import read_regular

_PLAIN = "texts, numbers, true and false, lists and maps"

_SURROGATE = re.compile("[\ud800-\udfff]")
# First line, last line, first column and the one behind the last, as `CodeType.co_positions` has them.
_Position = tuple[int | None, int | None, int | None, int | None]


class Places:
    """The places of calls in the files of a project, each file read once.

    Args:
        folder: The project's, resolved; files in it are shown relative to it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sources: dict[str, SourceFile] = {}
        self._marks: dict[tuple[int, int], PlacedMark] = {}
        self._codes: dict[int, tuple[SourceFile, list[_Position]]] = {}

    def mark(self, place: Place) -> PlacedMark:
        """The mark of everything that a call declares."""
        # Code is compared and hashed by all that is in it.
        key = id(place.code), place.instruction
        mark = self._marks.get(key)
        if mark is None:
            location = self._location(place)
            mark = self._marks[key] = PlacedMark((location.line or 1) - 1, (location.column or 1) - 1, location)
        return mark

    def source(self, file: str) -> SourceFile:
        """A file with calls; without text where it cannot be read."""
        if file not in self._sources:
            self._sources[file] = SourceFile(Path(file), self.shown(file), _text_of(file))
        return self._sources[file]

    def _location(self, place: Place) -> Location:
        found = self._codes.get(id(place.code))
        if found is None:
            source = self.source(place.file)
            found = self._codes[id(place.code)] = source, [*place.code.co_positions()]
        source, positions = found
        line, last, column, end = positions[place.instruction]
        if line is None or line > len(source.lines) or not source.text:
            return Location(source.name, line)
        text = source.lines[line - 1]
        if column is None or end is None:  # left out by `-X no_debug_ranges`
            column, end = len(text) - len(text.lstrip()), len(text.rstrip())
        elif not text.isascii():  # counted in bytes
            column, end = (len(text.encode()[:count].decode(errors="ignore")) for count in (column, end))
        length = (end if last == line else len(text.rstrip())) - column
        return Location(source.name, line, column + 1, length if length > 0 else 1, source.shown(line - 1))

    def shown(self, file: str) -> str:
        """A file as messages show it."""
        path = Path(file)
        return path.relative_to(self._folder).as_posix() if path.is_relative_to(self._folder) else file


def _text_of(file: str) -> str:
    try:
        return read_regular(file).decode("utf-8-sig", "replace")
    except (OSError, ValueError):
        return ""  # such as of a cell of a notebook


class Nodes:
    """Makes the nodes of one call; what no YAML could say is reported, and broken.

    Args:
        mark: Of the call.
        places: Those of the project, for columns, which are calls of their own.
        problems: Takes what is found.
    """

    def __init__(self, mark: PlacedMark, places: Places, problems: Problems) -> None:
        self._mark = mark
        self._places = places
        self._problems = problems

    def report(self, message: str, hint: str | None) -> Broken:
        """Report a problem at the call."""
        self._problems.report(message, hint, self._mark.location)
        return self.broken

    @property
    def broken(self) -> Broken:
        """Stands for what a problem is already reported of."""
        return Broken(self._mark, self._mark)

    def key(self, text: str) -> Scalar:
        """The key of an entry."""
        if not text.isascii():
            self._is_whole(text, "a name")
        return Scalar(text, False, self._mark, self._mark)

    def _is_whole(self, text: str, what: str) -> bool:
        """Whether a text can be written to a file; what cannot is reported."""
        if _SURROGATE.search(text) is None:
            return True
        self.report(f"{what} has half of a character", "write it whole: files are UTF-8")
        return False

    def mapping(self, entries: dict[str, tuple[Scalar, Node]]) -> Mapping:
        """A map of such entries."""
        return Mapping(entries, len(entries), self._mark, self._mark)

    def value(self, value: Any, what: str, depth: int = 0) -> Node:
        """The node of any value.

        Args:
            value: The value.
            what: What messages call it.
            depth: In how many others it is.
        """
        mark = self._mark
        if isinstance(value, str):
            text = str.__str__(value)
            return Scalar(text, False, mark, mark) if text.isascii() or self._is_whole(text, what) else self.broken
        if value is None or isinstance(value, bool | int | float):
            plain = _plain_text(value)
            if plain is not None:
                return Scalar(plain, True, mark, mark)
            return self.report(f"{what} holds a number of too many digits", "write it as a text")
        if isinstance(value, Broken):
            return value
        if isinstance(value, PurePath):
            return Scalar(value.as_posix(), False, mark, mark)
        if isinstance(value, AnyMapping | list | tuple):
            if depth >= MAX_DEPTH - 2:
                return self.report(f"{what} is nested more than {MAX_DEPTH} deep", "flatten it")
            if not isinstance(value, AnyMapping):
                return Sequence([self.value(item, what, depth + 1) for item in value], len(value), mark, mark)
            entries: dict[str, tuple[Scalar, Node]] = {}
            for name, item in value.items():
                if not isinstance(name, str):
                    return self._wrong_key(name, what)
                entries[name] = self.key(name), self.value(item, what, depth + 1)
            return self.mapping(entries)
        return self.report(f"{what} holds {shown_value(value)}", f"give it what YAML can say: {_PLAIN}")

    def _wrong_key(self, key: object, what: str) -> Broken:
        return self.report(f"{what} has the key {shown_value(key)}, which is no text", "write it in quotes")

    def columns(self, value: Any, what: str) -> Node:
        """The columns of a table: a list of `Column`, or a map of names to types, keys of columns, or `Column`."""
        if isinstance(value, AnyMapping):
            return self._column_map(value, what)
        if isinstance(value, Column):
            return self.report(f"{what} is a single column", "write a list: `columns=[Column(…)]`")
        if not isinstance(value, list | tuple):
            return self.value(value, what)
        entries: dict[str, tuple[Scalar, Node]] = {}
        for column in value:
            if not isinstance(column, Column):
                hint = "write `Column(name, type)`, or a map of names to types"
                wrong = self.report(f"{what} has {shown_value(column)}, which is no column", hint)
                first = column[0] if isinstance(column, tuple) and column else column
                if isinstance(first, str):
                    entries[first] = self.key(first), wrong
            elif not isinstance(column.name, str):
                message = f"a column of {what.removeprefix('`columns` of ')} is named {shown_value(column.name)}"
                self._report_column(column, message, "name it by a text: `Column(name, type)`")
            elif column.name in entries:
                self._report_column(column, f"column {quoted(column.name)} is twice in {what}", "keep one of the two")
            else:
                entries[column.name] = self._column(column, column.name)
        return self.mapping(entries)

    def _column_map(self, value: AnyMapping[Any, Any], what: str) -> Node:
        entries: dict[str, tuple[Scalar, Node]] = {}
        for name, column in value.items():
            if not isinstance(name, str):
                entries[str(name)] = self.key(str(name)), self._wrong_key(name, what)
            elif isinstance(column, Column):
                if column.name != name:
                    message = f"column {quoted(name)} in {what} is a `Column` of another name"
                    self._report_column(column, message, "name both alike")
                entries[name] = self._column(column, name)
            elif isinstance(column, AnyMapping):
                entries[name] = self.key(name), self._column_keys(column, name)
            else:
                entries[name] = self.key(name), self._type(column, name)
        return self.mapping(entries)

    def _report_column(self, column: Column, message: str, hint: str) -> None:
        self._problems.report(message, hint, self._places.mark(column.place).location)

    def _column(self, column: Column, name: str) -> tuple[Scalar, Node]:
        mark, kind = self._places.mark(column.place), column.keys["type"]
        if len(column.keys) == 1 and kind.__class__ is str and (name + kind).isascii():  # of thousands, most
            return Scalar(name, False, mark, mark), Scalar(kind, False, mark, mark)
        nodes = Nodes(mark, self._places, self._problems)
        if len(column.keys) == 1:
            return nodes.key(name), nodes._type(kind, name)
        return nodes.key(name), nodes._column_keys(column.keys, name)

    def _column_keys(self, keys: AnyMapping[Any, Any], name: str) -> Node:
        entries: dict[str, tuple[Scalar, Node]] = {}
        what = f"column {quoted(name)}"
        for given, value in keys.items():
            if not isinstance(given, str):
                self._wrong_key(given, what)
                continue
            key = plain_key(given)
            entries[key] = self.key(key), self._type(value, name) if key == "type" else self.value(value, what)
        return self.mapping(entries)

    def _type(self, value: Any, name: str) -> Node:
        """A type by our name for it, or one of pyarrow's."""
        if value is None or isinstance(value, str):
            return self.value(value, "")
        if type(value).__module__.partition(".")[0] == "pyarrow" and hasattr(value, "num_fields"):
            text = str(value)
            try:
                same = _has_names(value, parse_column_type(text))
            except ColumnTypeError as error:
                return self.report(f"column {quoted(name)}: {error}", error.hint)
            if not same:
                message = f"column {quoted(name)}: no column type can name {quoted(text)}"
                return self.report(message, "rename its fields")
            return self.value(text, "")
        hint = "write its name, such as `int64` or `timestamp[us]`, or a type of pyarrow's"
        return self.report(f"the type of column {quoted(name)} is {shown_value(value)}", hint)


def plain_value(value: Any) -> Any:
    """A value of a row as YAML can say it: moments and decimals as their texts, bytes as base64."""
    if isinstance(value, AnyMapping):
        return {key: plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date | time):  # pandas' moments are of these too
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{Decimal(value // timedelta(microseconds=1)).scaleb(-6):f}"
    return b64encode(value).decode() if isinstance(value, bytes) else value


def plain_key(key: str) -> str:
    """A keyword as the key is written in YAML: `from_` is `from`, which is a word of Python's."""
    return key[:-1] if key.endswith("_") and keyword.iskeyword(key[:-1]) else key


def _plain_text(value: bool | int | float | None) -> str | None:
    """A scalar as YAML writes it without quotes; None for a number that it cannot write."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        try:
            return int.__repr__(value)
        except ValueError:  # of more digits than Python writes
            return None
    if math.isfinite(value):
        return float.__repr__(value)
    return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"


def _has_names(arrow_type: Any, parsed: ColumnType) -> bool:
    """Whether the text of a type of pyarrow's was read as the type that it is: a field may have any name."""
    if parsed.id == "struct":
        fields = [arrow_type.field(index) for index in range(arrow_type.num_fields)]
        named = [field.name for field in fields] == [name for name, _ in parsed.fields]
        return named and all(
            _has_names(field.type, child) for field, (_, child) in zip(fields, parsed.fields, strict=True)
        )
    if parsed.id == "list":
        return _has_names(arrow_type.value_type, parsed.fields[0][1])
    if parsed.id == "map":
        children = (arrow_type.key_type, arrow_type.item_type)
        return all(_has_names(each, child) for each, (_, child) in zip(children, parsed.fields, strict=True))
    return True


def shown_value(value: Any) -> str:
    """A value in a message: a plain one as it is written, of any other what it is, not what it holds."""
    if value is None or isinstance(value, str | bool | float) or (isinstance(value, int) and abs(value) < 1e300):
        return quoted(repr(value))
    if isinstance(value, type):
        return f"the class `{value.__name__}`"
    if isinstance(value, FunctionType):
        return "a lambda" if value.__name__ == "<lambda>" else f"the function `{value.__name__}`"
    kind = type(value)
    module = "" if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}."
    return f"a value of `{module}{kind.__qualname__}`" if not isinstance(value, os.PathLike) else "a path"
