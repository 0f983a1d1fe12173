"""Verdicts from what was counted and measured, without the data: right after judging, and whenever limits change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from lakehouse_cli.model.check import Check, CheckRecord, CheckResult, CheckStatus, Limit
from lakehouse_cli.text.counts import count_text, plural

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


def judged_again(check: Check, record: CheckRecord, now: datetime, *, earlier: bool | None = None) -> CheckResult:
    """The result of a check from its record: of its name, severity and limits as they are now.

    Args:
        check: As it is declared now; what it judges has not changed.
        record: Of its last judgement.
        now: Of freshness.
        earlier: Whether an earlier run judged it; None for what the record says.
    """
    before = record.result
    message, status, count, threshold = before.message, before.status, before.count, _limits(check)
    if before.name != check.name:
        message = message.replace(f"check `{before.name}`", f"check `{check.name}`", 1)
    if before.status == "skipped" or (before.status == "errored" and check.kind == "freshness"):
        pass
    elif check.kind in ("row_count", "nulls", "freshness"):
        wrong = "; ".join(_measured(check, record, now))
        status = check.bad_status if wrong else "passed"
        count = before.count if check.kind == "nulls" else int(bool(wrong))
        message = f"check `{check.name}`: {wrong}" if wrong else ""
    else:
        status = verdict_on_rows(check, before)
    return replace(
        before,
        name=check.name,
        column=", ".join(check.columns) or None,
        severity=check.severity,
        status=status,
        count=count,
        threshold=threshold,
        message=message,
        location=check.location,
        earlier=before.earlier if earlier is None else earlier,
    )


def verdict_on_rows(check: Check, counted: CheckResult) -> CheckStatus:
    """The status of a check of rows by its counts; where it failed, that rows errored as well does not count.

    Rows that were put aside were not published: they are a warning, whatever the limits.
    """
    aside = counted.quarantined
    status = check.verdict(counted.count - aside, counted.rows - aside)
    if aside and status == "passed":
        status = "warned"
    return "errored" if status != "failed" and (counted.errored or counted.status == "errored") else status


def with_put_aside(record: CheckRecord, before: Sequence[CheckRecord]) -> CheckRecord:
    """The record of a check that stored data keep: of those of which rows were put aside for it, what says so."""
    if record.result.status != "passed" or record.result.count:
        return record
    former = (each for each in before if each.judged == record.judged and each.result.name == record.result.name)
    found = next((each for each in former if each.result.quarantined), None)
    return record if found is None else replace(record, result=replace(found.result, location=record.result.location))


def _limits(check: Check) -> str | None:
    arguments = check.arguments
    if check.kind == "row_count":
        parts = [f"{name} {arguments[name]}" for name in ("min", "max", "equals") if name in arguments]
        return ", ".join([*parts, *(f"change {name} {value}" for name, value in arguments.get("change", {}).items())])
    if check.kind == "nulls":
        return f"max {arguments['max']}"
    if check.kind == "freshness":
        return f"within {arguments['within']}" if "within" in arguments else None  # none of one partition
    return check.threshold


def _measured(check: Check, record: CheckRecord, now: datetime) -> Iterator[str]:
    """What is wrong with what was measured."""
    arguments, state, result = check.arguments, record.state, record.result
    if check.kind == "nulls":
        if Limit.of(str(arguments["max"])).is_exceeded(result.count, result.rows):
            of = f"{plural(result.count, 'null')} in {plural(result.rows, 'row')}"
            yield f"`{check.columns[0]}` has {of}, and may have {arguments['max']}"
    elif check.kind == "freshness" and "within" not in arguments:
        return  # of one partition: it is judged on the whole table
    elif check.kind == "freshness":
        yield from _stale(check, record, now)
    else:
        rows = int(state["rows"])
        if "min" in arguments and rows < arguments["min"]:
            yield f"{plural(rows, 'row')}, fewer than {count_text(arguments['min'])}"
        if "max" in arguments and rows > arguments["max"]:
            yield f"{plural(rows, 'row')}, more than {count_text(arguments['max'])}"
        if "other" in state and rows != int(state["other"]):
            yield f"{plural(rows, 'row')}, and `{arguments['equals']}` has {count_text(int(state['other']))}"
        if int(state.get("before", 0)):
            yield from _changed(arguments.get("change", {}), rows, int(state["before"]))


def _changed(limits: dict[str, str], rows: int, before: int) -> Iterator[str]:
    for name, text in limits.items():
        share = Limit.of(text).value
        change, limit = (rows - before) * share.denominator, share.numerator * before
        if change < limit if name == "min" else change > limit:
            allowed = "least" if name == "min" else "greatest"
            shown = _percent(rows - before, before, text)
            yield f"{plural(rows, 'row')} after {count_text(before)}: a change of {shown}, and the {allowed} is {text}"


def _percent(part: int, whole: int, limit: str) -> str:
    """A share in percent, with as many digits as tell it from a limit."""
    for digits in range(16):
        if (text := f"{100 * part / whole:+.{digits}f}%") not in (limit, f"+{limit}"):
            return text
    return f"{part}/{whole}"


def _stale(check: Check, record: CheckRecord, now: datetime) -> Iterator[str]:
    within: str = check.arguments["within"]
    newest, result = record.state.get("newest"), record.result
    if newest is None:
        none = not result.rows + result.not_judged
        yield f"`{check.columns[0]}` has no value{', as there are no rows to judge' if none else ''}"
        return
    at = datetime.fromisoformat(newest)
    if now.astimezone(UTC) - at > timedelta(seconds=int(within[:-1]) * _UNITS[within[-1]]):
        yield f"the newest `{check.columns[0]}`, {shown_moment(at)}, is older than {within}"


def shown_moment(at: datetime) -> str:
    """A moment in UTC, as messages show it."""
    return f"{at:%Y-%m-%d}" if not (at.hour or at.minute or at.second) else f"{at:%Y-%m-%d %H:%M:%S}Z"
