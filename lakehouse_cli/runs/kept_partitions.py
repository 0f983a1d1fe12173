"""What lines of JSON keep of the partitions of a table: of very many, those that ended well in short."""

from __future__ import annotations

from collections.abc import Hashable

from msgspec import UNSET
from msgspec.structs import asdict, replace

from lakehouse_cli.runs.events import PartitionResult, PartitionsEnded, TableResult, TableStatus

#: The statuses of what need not be tried again.
ENDED_WELL = frozenset[TableStatus](("materialized", "unchanged", "passed", "waiting", "dropped"))


class _Kept(PartitionResult, frozen=True, omit_defaults=True):
    """A partition of which a line has no more than there is to say."""


def kept_partitions(result: TableResult) -> TableResult:
    """Return a result that lists the partitions that did not end well alone, and counts the others by status.

    Of several that failed with the same trace of calls, the first has it.
    """
    if not result.partitions:
        return result
    well: dict[str, list[PartitionResult]] = {}
    others: list[PartitionResult] = []
    seen = set[Hashable]()
    for each in result.partitions:
        if each.status in ENDED_WELL:
            well.setdefault(each.status, []).append(each)
            continue
        one = each if each.status == "failed" else replace(each, reasons=())
        if (error := one.error) is not None and error.traceback:
            if error.frames in seen:
                one = replace(one, error=replace(error, traceback=""))
            seen.add(error.frames)
        others.append(_Kept(**asdict(one)))
    ended = {status: _ended(found) for status, found in well.items()}
    return replace(result, partitions=tuple(others), partitions_ended=ended or UNSET)


def _ended(found: list[PartitionResult]) -> PartitionsEnded:
    from statistics import median  # of tables without partitions nothing needs it

    seconds = [each.duration_s for each in found if each.duration_s is not None]
    typical = round(median(seconds), 6) if seconds else None
    return PartitionsEnded(len(found), found[0].key, found[-1].key, typical)
