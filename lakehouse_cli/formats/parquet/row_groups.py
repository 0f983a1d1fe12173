"""Which row groups of a Parquet file may have rows in a span of time, by the statistics in its footer."""

from __future__ import annotations

import json
from typing import Any

from lakehouse_cli.model.time_span import TimeSpan

_DAY = 86_400
_UNITS = {"milliseconds": 1_000, "microseconds": 1_000_000, "nanoseconds": 1_000_000_000}


def groups_within(metadata: Any, span: TimeSpan) -> list[int]:
    """The numbers of the row groups that may have such rows; all where the column is no plain date or timestamp.

    Args:
        metadata: Of the file.
        span: Of a column by its name in the file.
    """
    groups = range(metadata.num_row_groups)
    # A path with dots is of a field within a column, or else of a column that is called so.
    places = [at for at in range(metadata.num_columns) if metadata.schema.column(at).path == span.column]
    if len(places) != 1 or "." in span.column:
        return list(groups)
    seconds = _seconds_of(metadata.schema.column(places[0]))
    if seconds is None:
        return list(groups)
    return [at for at in groups if _may_hold(metadata.row_group(at), places[0], seconds, span)]


def rows_of_groups(metadata: Any, rows: range) -> dict[int, range]:
    """The row groups that have rows with some numbers in the file, and their numbers in the group."""
    found = {}
    before = 0
    for group in range(metadata.num_row_groups):
        count = metadata.row_group(group).num_rows
        there = range(max(rows.start - before, 0), min(rows.stop - before, count))
        before += count
        if there:
            found[group] = there
    return found


def _may_hold(group: Any, place: int, seconds: float, span: TimeSpan) -> bool:
    found = group.column(place).statistics
    if found is None or not found.has_min_max:
        return True
    return span.may_hold(found.min_raw * seconds, found.max_raw * seconds)


def _seconds_of(column: Any) -> float | None:
    """How many seconds one is of what a column stores; None where that is no number of a date or timestamp."""
    kind = json.loads(column.logical_type.to_json())
    if kind.get("Type") == "Date" and column.physical_type == "INT32":
        return _DAY
    unit = _UNITS.get(kind.get("timeUnit")) if kind.get("Type") == "Timestamp" else None
    return 1 / unit if unit is not None and column.physical_type == "INT64" else None
