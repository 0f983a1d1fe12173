"""What checks found on the partitions of a table, put together by check."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from lakehouse_cli.model.check import CheckResult

_GRAVEST = ("failed", "errored", "warned", "skipped", "passed")


def together(found: Iterable[tuple[str, CheckResult]]) -> tuple[CheckResult, ...]:
    """One result for each check: counts added up, and how the gravest of them ended, with its message and examples.

    Args:
        found: The results, each with its partition as messages name it.
    """
    by_name: dict[str, list[tuple[str, CheckResult]]] = {}
    for partition, result in found:
        by_name.setdefault(result.name, []).append((partition, result))
    return tuple(map(_one, by_name.values()))


def _one(found: list[tuple[str, CheckResult]]) -> CheckResult:
    partition, gravest = min(found, key=lambda each: _GRAVEST.index(each[1].status))
    others = sum(result.status == gravest.status for _, result in found) - 1
    message = gravest.message and f"{partition}: {gravest.message}" + (f" (and {others:,} more)" if others else "")
    return replace(
        gravest,
        message=message,
        count=sum(result.count for _, result in found),
        rows=sum(result.rows for _, result in found),
        not_judged=sum(result.not_judged for _, result in found),
        quarantined=sum(result.quarantined for _, result in found),
        errored=sum(result.errored for _, result in found),
        earlier=all(result.earlier for _, result in found if result.status == gravest.status),
    )
