"""What checks found of stored data, as it holds of a copy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from msgspec import UNSET
from msgspec.structs import replace

from lakehouse_cli.model.check import CheckRecord
from lakehouse_cli.model.partition import Partition


def copied_checks(
    records: Iterable[CheckRecord], partition: Partition | None, against: Callable[[str], str]
) -> Iterator[CheckRecord]:
    """What the manifest of a copy records of checks.

    Args:
        records: From the manifest of what is copied.
        partition: The partition that is copied; None for a whole table.
        against: Gives the hash of the copy of what a check looked at, by its own.
    """
    for record in records:
        if partition is not None and record.result.check == "unique":
            continue  # it compares partitions, and the target may have others
        # The copy may have these rows on other lines.
        examples = tuple(replace(each, line=None, file=UNSET) for each in record.result.examples)
        result = replace(record.result, examples=examples)
        yield replace(record, result=result, against=against(record.against) if record.against else "")
