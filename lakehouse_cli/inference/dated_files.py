"""Files of a folder that are called alike but for a date: one source of many files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from lakehouse_cli.inference.description import InferredColumn
from lakehouse_cli.inference.sources import FoundTable

_DATE = re.compile(r"(?<!\d)(?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4}-\d{2})(?!\d)")
_FORMS = {10: ("day", "%Y-%m-%d"), 8: ("day", "%Y%m%d"), 7: ("month", "%Y-%m")}


def join_dated(found: Sequence[FoundTable]) -> list[FoundTable]:
    """Join the files of folders that differ in a date alone, where all of them have the same columns.

    A column whose types differ is text, as all files of CSV can be read so; files of other formats stay by themselves.
    """
    groups: dict[object, list[FoundTable]] = {}
    for each in found:
        source = each.source
        bare = _DATE.sub("{}", source.stem) if source.folder else source.stem
        like = (source.folder, bare, source.format) if source.folder and bare != source.stem else id(each)
        groups.setdefault(like, []).append(each)
    return [one for some in groups.values() for one in ([_joined(some)] if _may_be_one(some) else some)]


def _may_be_one(some: Sequence[FoundTable]) -> bool:
    """Whether all that a pattern would match are read alike: else it would match what is not as declared."""
    return len(some) > 1 and len({_reading(each) for each in some}) == 1


def _reading(each: FoundTable) -> object:
    source, columns = each.source, each.table.columns
    if (pattern := _pattern(each)) is None or each.path or not each.table.is_readable:
        return id(each)
    kinds = [column.name if source.format == "csv" else repr(column) for column in columns]
    return repr((pattern, source.options, each.table.options, kinds))


def _pattern(each: FoundTable) -> str | None:
    """The path with a placeholder for its date; None where it has none, or two."""
    dates = _DATE.findall(each.source.stem)
    if len(dates) != 1:
        return None
    name, form = _FORMS[len(dates[0])]
    try:
        datetime.strptime(dates[0], form)  # whether it is a date
    except ValueError:
        return None
    name = f"file_{name}" if name in {column.name.casefold() for column in each.table.columns} else name
    return each.source.stem.replace(dates[0], f"{{{name}:{form}}}")


def _joined(some: Sequence[FoundTable]) -> FoundTable:
    first, pattern = some[0], _pattern(some[0])
    assert pattern is not None  # noqa: S101  # they were grouped by it
    columns = [_column(each) for each in zip(*(found.table.columns for found in some), strict=True)]
    rows = [found.table.rows for found in some if found.table.rows is not None]
    table = replace(
        first.table,
        source=f"{len(some):,} files, {some[0].source.shown} to {some[-1].source.shown}",
        columns=columns,
        rows=sum(rows) if len(rows) == len(some) else None,
        key="",
        comments=list(dict.fromkeys(comment for found in some for comment in found.table.comments)),
    )
    return FoundTable(replace(first.source, stem=pattern), "", table)


def _column(each: Sequence[InferredColumn]) -> InferredColumn:
    """A column of all files."""
    first = each[0]
    if all((one.type, one.from_, one.options) == (first.type, first.from_, first.options) for one in each):
        return replace(first, comment=next((one.comment for one in each if one.comment), ""))
    kinds = ", ".join(dict.fromkeys(one.type for one in each))
    return InferredColumn(first.name, "string", first.from_, {}, f"not alike in all files: {kinds}")
