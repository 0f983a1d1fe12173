"""A plan as text: the row of each table, the summary, and why a run would fail."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from lakehouse_cli.errors import MissingDataError, StorageError, UnclaimedError, UnreachableError
from lakehouse_cli.plan.planned import Cost, Plan, PlannedTable
from lakehouse_cli.storage.errors import MisnamedFilesError
from lakehouse_cli.text.causes import joined, without_values
from lakehouse_cli.text.columns import Cell, columns
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.terminal import HANGING, Terminal, note_lines, printable, size_text, table_notes, time_text

if TYPE_CHECKING:
    from lakehouse_cli.plan.units import UnitPlan

_MARKS = {
    "run": ("▸", "cyan"),
    "check": ("▸", "cyan"),
    "read": ("·", "dim"),
    "skip": ("=", "dim"),
    "wait": ("○", "dim"),
    "missing": ("✗", "red"),
    "misnamed": ("✗", "red"),
    "unreadable": ("✗", "red"),
    "failed": ("✗", "red"),
    "refused": ("✗", "red"),
    "no access": ("✗", "red"),
    "blocked": ("○", "yellow"),
}
# Sources that no run can read.
_UNREAD = ("missing", "misnamed", "unreadable")
# What is counted below a plan.
_COUNTED = (
    ("run", "table", "to materialize"),
    ("check", "table", "to check"),
    ("blocked", "table", "blocked"),
    ("failed", "table", "whose stored data fail a check"),
    ("refused", "table", "refused"),
    ("no access", "table", "out of reach"),
    ("wait", "table", "waiting"),
    ("read", "source", "to read"),
    ("missing", "source", "missing"),
    ("misnamed", "source", "with misnamed files"),
    ("unreadable", "source", "not readable"),
)


class PlanRow(Struct, frozen=True):
    """What a plan shows of a table.

    Attributes:
        table: The table.
        shown: The action, or what stands in its way.
        why: Why, in one line.
    """

    table: PlannedTable
    shown: str
    why: str


def _not_judged(table: PlannedTable) -> list[str]:
    return [each.message for each in table.checks if each.status == "skipped"]


def trouble_lines(plan: Plan, terminal: Terminal) -> list[str]:
    """Why a run would fail, and what to do about it; nothing where it would not."""
    blocked = [
        (each.would_fail, () if isinstance(each, PlannedTable) else each.partition.values)
        for each in _runs(plan)
        if each.would_fail is not None
    ]
    if not blocked:
        return []
    causes = _causes(plan, blocked)
    more = f" and {count_text(len(causes) - 1)} more" if len(causes) > 1 else ""
    would_fail = terminal.style("a run would fail:", "error")
    text = f"{would_fail} {count_text(len(blocked))} of these could not be materialized; {printable(causes[0])}{more}"
    hint = _next(plan)
    return [terminal.wrap(text, HANGING), *([terminal.wrap(f"next: {hint}", HANGING)] if hint is not None else [])]


def _runs(plan: Plan) -> Iterator[PlannedTable | UnitPlan]:
    """What would be materialized: tables, and of partitioned ones their partitions."""
    for table in plan.runs:
        if table.partitions:
            yield from (unit for unit in table.partitions if unit.action == "run")
        else:
            yield table


def _next(plan: Plan) -> str | None:
    """What to do about what is refused first and all that is for the same reason, else about a source."""
    refused = [each.refused for each in _runs(plan) if each.refused is not None]
    if refused and isinstance(refused[0], UnclaimedError):
        return UnclaimedError.advice([each.table for each in refused if isinstance(each, UnclaimedError)])
    if refused:
        return refused[0].hint
    remedy = next((table.remedy for table in plan.runs if table.remedy is not None), None)
    if remedy is not None:
        return remedy
    unread = next((table for table in plan.tables if _shown(table) in _UNREAD), None)
    if unread is None:
        return None
    trouble = unread.state.trouble if unread.state is not None else None
    return None if trouble is None else trouble.hint


def _causes(plan: Plan, would_fail: list[tuple[str, tuple[str, ...]]]) -> list[str]:
    """Why tables would fail, each cause once: an unreachable storage is so for all its tables.

    Args:
        plan: The plan.
        would_fail: Why each would, and of a partition its values.
    """
    reasons = dict.fromkeys(error.reason for error in plan.out_of_reach.values())
    causes: dict[str, str] = {}
    for each, values in would_fail:
        cause = next((reason for reason in reasons if each.endswith(reason)), without_values(each, values))
        causes.setdefault(cause, each)
    return list(causes.values())


def summed_up(plan: Plan) -> str:
    """Count the tables by what would be done."""
    counts = Counter(_shown(table) for table in plan.tables)
    parts = {shown: f"{plural(counts[shown], noun)} {what}" for shown, noun, what in _COUNTED if counts[shown]}
    if plan.due:
        if plan.cost is not None and "run" in parts:
            parts["run"] = f"{parts['run']} ({_cost(plan.cost)})"
        return ", ".join(parts.values())
    up_to_date = f": {plural(counts['skip'], 'table')} up to date" if counts["skip"] else ""
    parts.pop("read", None)
    return "; ".join([f"nothing to do{up_to_date}", *parts.values()])


def _cost(cost: Cost) -> str:
    took = "" if cost.seconds is None else f", about {time_text(cost.seconds)}"
    read = f", {size_text(cost.bytes)} read" if cost.bytes else ""
    return f"{plural(cost.partitions, 'partition')}{took}{read}"


def plan_lines(terminal: Terminal, plan: Plan) -> list[str]:
    """Format the rows of the tables."""
    rows = []
    cells = {shown: (Cell(mark, style), Cell(shown, style)) for shown, (mark, style) in _MARKS.items()}
    for row in plan_rows(plan):
        mark, action = cells[row.shown]
        why = Cell(row.why, mark.style if row.table.would_fail is not None else "dim")
        rows.append([mark, Cell(row.table.name), action, why])
    # The mark shows the action as well.
    header = ("", "table", "action", "why")
    return columns(terminal, header, rows, dispensable=(2,), shortened=1, shortest=16, least=26, fold=True)


def plan_note_lines(terminal: Terminal, plan: Plan) -> Iterator[str]:
    """Format the remarks on tables, and the checks that were not judged."""
    return note_lines(
        terminal, [note for each in plan.tables for note in table_notes(each.name, [*each.notes, *_not_judged(each)])]
    )


def plan_rows(plan: Plan) -> Iterator[PlanRow]:
    """What is shown of each table, in the order of the plan."""
    from lakehouse_cli.plan.reasons import gone

    # The rows of the tables that need these say that they are gone.
    missing = {gone(table.name) for table in plan.tables if table.kind == "source" and table.would_fail is not None}
    out_of_reach: set[str] = set()
    unread: dict[str, str] = {}
    for table in plan.tables:
        shown = _shown(table)
        why = [reason.message for reason in table.reasons]
        trouble = table.state and table.state.trouble
        if shown == "blocked" and table.would_fail is not None:
            # The row of the table that is to blame says the rest.
            brief = table.would_fail.partition(": ")[0] if table.would_fail in out_of_reach else table.would_fail
            says_more = not any(reason.message in brief for unit in table.partitions for reason in unit.reasons)
            why = [*([brief] if says_more else []), *(each for each in why if each not in missing)]
        elif table.kind == "source" and isinstance(trouble, UnreachableError):
            why = [trouble.reason]
        elif shown == "failed" and table.would_fail is not None:
            why = [table.would_fail.removeprefix(f"`{table.name}`: ")]
        elif table.refused is not None:
            why = _refusal(table.refused, table)
        waiting = [unit for unit in table.partitions if unit.action == "wait"]
        if waiting and table.action != "wait":
            from lakehouse_cli.plan.units import summed_up as causes_of  # not loaded where no table has partitions

            why += [f"waiting: {reason.message}" for reason in causes_of(waiting)]
        if shown in ("misnamed", "unreadable"):  # the message may be long
            unread |= dict.fromkeys(why, table.name)
        elif unread:
            why = [*dict.fromkeys(_brief(each, unread) for each in why)]
        if table.state is not None and table.state.environment is not None:
            why.append(f"from `{table.state.environment}`")
        if table.would_fail is not None and shown == "no access":
            out_of_reach.add(table.would_fail)
        text = joined(why, by_partition=bool(table.partitions))
        yield PlanRow(table, shown, printable(text))


def _brief(why: str, unread: Mapping[str, str]) -> str:
    """Why a table cannot be made; where that is what the row of a source says, the source alone."""
    return next((f"`{name}` cannot be read" for message, name in unread.items() if message in why), why)


def _refusal(refused: StorageError, table: PlannedTable) -> list[str]:
    """What stands in a table's way, and its reasons; of an unreachable storage the cause alone: the rest is below."""
    if isinstance(refused, UnreachableError):
        return [refused.reason]
    # It is refused because it has no manifest.
    known = "data_changed" if table.state is not None and table.state.unclaimed else None
    reasons = [reason.message for reason in table.reasons if reason.code != known]
    return reasons if any(refused.message in reason for reason in reasons) else [refused.message, *reasons]


def _shown(table: PlannedTable) -> str:
    """The action, or what stands in its way."""
    if table.would_fail is None:
        return table.action
    if table.action == "skip" or (table.kind == "source" and not table.is_missing):
        return "failed"
    trouble = table.refused if table.kind == "computed" else table.state and table.state.trouble
    if isinstance(trouble, UnreachableError):
        return "no access"
    if table.kind == "source":
        is_misnamed = isinstance(trouble, MisnamedFilesError)
        is_missing = trouble is None or isinstance(trouble, MissingDataError)
        return "misnamed" if is_misnamed else "missing" if is_missing else "unreadable"
    return "refused" if table.refused is not None else "blocked"
