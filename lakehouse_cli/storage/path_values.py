"""What the path of a file says, as values of declared types."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pyarrow as pa

from lakehouse_cli.arrow.conversion.exact import convert
from lakehouse_cli.arrow.conversion.refusal import InexactError
from lakehouse_cli.arrow.types import to_arrow
from lakehouse_cli.errors import DataError, Example, Location, Violation
from lakehouse_cli.model.file_pattern import FilePattern, parse_moment

if TYPE_CHECKING:
    from lakehouse_cli.model import Column

_PADDED = re.compile(r"^(-?)0+(?=[0-9])")


def path_value(column: Column, text: str, pattern: FilePattern, shown: str) -> pa.Array:
    """Make the one value of a column that a path holds; never by its looks, always by the declared type.

    Args:
        column: As declared.
        text: The part of the path, percent-encoding undone.
        pattern: Of the source.
        shown: The file as messages show it.

    Returns:
        An array of length 1.

    Raises:
        DataError: The text is no value of that type.
    """
    kind = to_arrow(column.type)
    placeholder = next((each for each in pattern.placeholders if each.name == column.source_name), None)
    try:
        if placeholder is not None and placeholder.format is not None and not _is_text(kind):
            moment = parse_moment(text, placeholder)
            if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
                return convert(pa.chunked_array([pa.array([moment], pa.timestamp("us"))]), kind).combine_chunks()
        # Folders are padded to be in order, as in `month=03`.
        plain = _PADDED.sub(r"\1", text) if pa.types.is_integer(kind) else text
        return convert(pa.chunked_array([[plain]], pa.string()), kind).combine_chunks()
    except InexactError as error:
        why = str(error)
    message = f"`{text}` in the path is not {column.type}: {why}"
    raise DataError(
        f"`{text}` in the path of `{shown}` is not {column.type}, which column `{column.name}` is",
        [Violation(column.name, "type", 1, message, (Example(None, text, None),), column.location)],
        hint="declare the column as `string`, or rename the file",
        location=Location(shown),
    )


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))
