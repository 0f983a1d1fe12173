"""What was found out about tables, as it is written to a project file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field


class InferredColumn(Struct, frozen=True):
    """One column of a source.

    Attributes:
        name: What it is called in the project.
        type: As the project file writes it.
        from_: Its name or 1-based position in the source, where `name` is another.
        options: Of the format, for this column alone.
        comment: What is in doubt, and what to write in that case; empty for nothing.
    """

    name: str
    type: str
    from_: str | int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    comment: str = ""


class InferredTable(Struct, frozen=True):
    """A source.

    Attributes:
        source: The file or database as the user named it; with the table of a database, or the sheet of a workbook.
        columns: In the order of the source.
        options: Of the format.
        rows: How many there are; None where nobody counted.
        key: The column that is unique and never null; empty where none was found.
        key_is_sure: Whether that column is called as ids are; else the key is only proposed.
        comments: What is in doubt of the table as a whole, or why it cannot be read.
        is_readable: Whether it can; else it is left out, in a comment.
    """

    source: str
    columns: Sequence[InferredColumn]
    options: Mapping[str, Any] = field(default_factory=dict)
    rows: int | None = None
    key: str = ""
    key_is_sure: bool = False
    comments: Sequence[str] = ()
    is_readable: bool = True
