"""What the path of a file says, as values of declared types."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse_cli.arrow.conversion.exact import convert
from lakehouse_cli.arrow.conversion.refusal import InexactError
from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.errors import DataError, Example, Location, Violation
from lakehouse_cli.model.file_pattern import FilePattern, PatternError, Placeholder, parse_moment
from lakehouse_cli.text.python_words import in_words_of

if TYPE_CHECKING:
    from lakehouse_cli.model import Column

# How dates and times are written in paths, if not as in ISO 8601.
_FORMATS = ("%Y-%m", "%Y%m%d", "%Y%m", "%Y", "%Y-%m-%dT%H", "%Y-%m-%d-%H", "%Y%m%dT%H", "%Y%m%d%H")
_PADDED = re.compile(r"^(-?)0+(?=[0-9])")


def path_value(column: Column, text: str, pattern: FilePattern, shown: str, path: str) -> pa.Array:
    """Make the one value of a column that a path holds; never by its looks, always by the declared type.

    Args:
        column: As declared.
        text: The part of the path, percent-encoding undone.
        pattern: Of the source.
        shown: The file as messages show it.
        path: Its path under the root.

    Returns:
        An array of length 1.

    Raises:
        DataError: The text is no value of that type.
    """
    kind = to_arrow(column.type)
    placeholder = next((each for each in pattern.placeholders if each.name == column.source_name), None)
    try:
        if placeholder is not None and placeholder.format is not None and _is_moment(kind):
            return _moment(text, placeholder, kind)
        # Folders are padded to be in order, as in `month=03`.
        plain = _PADDED.sub(r"\1", text) if pa.types.is_integer(kind) else text
        return convert(pa.chunked_array([[plain]], pa.string()), kind).combine_chunks()
    except InexactError as error:
        why = str(error)
    message = f"`{text}` in the path is not {column.type}: {why}"
    file = column.location.file if column.location is not None else None
    way = f"declare the column as `string`, or {_way(column, text, pattern, path)}"
    raise DataError(
        f"`{text}` in the path of `{shown}` is not {column.type}, which column `{column.name}` is",
        [Violation(column.name, "type", 1, message, (Example(None, text, None),), column.location)],
        hint=in_words_of(file, way),
        location=Location(shown),
    )


def _is_moment(kind: pa.DataType) -> bool:
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def _moment(text: str, placeholder: Placeholder, kind: pa.DataType) -> pa.Array:
    moment = parse_moment(text, placeholder)
    return convert(pa.chunked_array([pa.array([moment], pa.timestamp("us"))]), kind).combine_chunks()


def _way(column: Column, text: str, pattern: FilePattern, path: str) -> str:
    """What makes a value of a text: a path that says its format, where it looks like a date or time of one."""
    name, kind = str(column.source_name), to_arrow(column.type)
    form = next((each for each in _FORMATS if _has_format(text, Placeholder(name, each), kind)), None)
    if form is None:
        return "rename the file"
    marks = {name: f"{{{name}:{form}}}"}
    if not pattern.is_folder:
        return f'write `path: "{pattern.path.replace(f"{{{name}}}", marks[name])}"`'
    folders = []
    for folder in path.removeprefix(pattern.path).split("/")[:-1]:
        found = re.match(r"([A-Za-z_][A-Za-z0-9_]*)=.", folder)
        folders.append("*" if found is None else f"{found[1]}={marks.get(found[1], f'{{{found[1]}}}')}")
    return f'write `path: "{pattern.path}{"/".join(folders)}/*"`'


def _has_format(text: str, placeholder: Placeholder, kind: pa.DataType) -> bool:
    """Whether a text is a value of a type by the format of a placeholder."""
    try:
        return _is_moment(kind) and len(_moment(text, placeholder, kind)) == 1
    except (PatternError, InexactError):
        return False
