"""`lakehouse plan`: the order, and what would be done and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

from msgspec.structs import replace

from lakehouse_cli.cli import exit_codes, options, output
from lakehouse_cli.errors import MissingDataError, StorageError, UnclaimedError, UnreachableError
from lakehouse_cli.model.run_request import RunRequest
from lakehouse_cli.storage.errors import MisnamedFilesError
from lakehouse_cli.text.causes import joined, without_values
from lakehouse_cli.text.columns import Cell, columns
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.terminal import HANGING, Terminal, note_lines, printable, size_text, table_notes, time_text

if TYPE_CHECKING:
    from lakehouse_cli.plan.planned import Cost, Plan, PlannedTable
    from lakehouse_cli.plan.units import UnitPlan

EXAMPLES = """\b
Examples:
  lakehouse plan                     every table, in order
  lakehouse plan +summary            `summary` and all it is computed from
  lakehouse plan -e dev summary --defer prod
                                     inputs missing in `dev` are read from `prod`
  lakehouse plan --param month=2025-11
                                     with another value of a param
  lakehouse plan --partition month=2024-01..2024-06
                                     some partitions of those that have them
  lakehouse plan --exit-code         exit code 4 when there is something to do"""
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


@options.everywhere
def command(
    settings: options.Settings,
    request: RunRequest,
    defer: options.Defer = None,
    param: options.Params = None,
    partition: options.Partitions = None,
    as_of: options.AsOf = None,
    exit_code: Annotated[
        bool, options.option("--exit-code", help="Exit with 4 when there is something to do.")
    ] = False,
) -> int:
    """Show what a run would do, in order, and why.

    Changes nothing and runs none of your code, but a module that declares tables.
    """
    project = settings.project(params=options.given_params(param))
    from lakehouse_cli.project.cluster_notes import with_bundle_note  # loaded by now, but for a shell that asks

    plan = project.planner.plan(replace(request, defer=defer, partitions=tuple(partition or ()), as_of=as_of))
    render(with_bundle_note(project.planner, plan, always=settings.verbose), settings)
    return exit_codes.DUE if exit_code and any(each.action in ("run", "check") for each in plan.tables) else 0


def render(plan: Plan, settings: options.Settings) -> None:
    """Write a plan to stdout."""
    if settings.json:
        output.write_stderr(plan.notes)
        output.write_json(plan.to_json())
        return
    if settings.quiet:
        output.write_stderr(_trouble_lines(plan, settings.stderr))
        return
    terminal = settings.stdout
    output.write(f"{terminal.style(plan.project, 'bold')} · {plan.environment} · plan")
    output.write_lines(plan.notes)
    if plan.tables:
        output.write()
        output.write_lines(_lines(plan, terminal))
        output.write()
    output.write(terminal.wrap(_summed_up(plan)))
    output.write_lines(_trouble_lines(plan, terminal))
    notes = [note for table in plan.tables for note in table_notes(table.name, [*table.notes, *_not_judged(table)])]
    output.write_lines(note_lines(terminal, notes))
    warned = [(t.name, each) for t in plan.tables for each in t.checks if each.status in ("warned", "errored")]
    if warned:
        from lakehouse_cli.rendering.reporters.check_text import warning_lines

        output.write_lines(warning_lines(terminal, warned))


def _not_judged(table: PlannedTable) -> list[str]:
    return [each.message for each in table.checks if each.status == "skipped"]


def _trouble_lines(plan: Plan, terminal: Terminal) -> list[str]:
    """Why a run would fail, and what to do about it; nothing where it would not."""
    from lakehouse_cli.plan.planned import PlannedTable

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


def _summed_up(plan: Plan) -> str:
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
    return f"{plural(cost.partitions, 'partition')}{took}, {size_text(cost.bytes)} read"


def _lines(plan: Plan, terminal: Terminal) -> list[str]:
    from lakehouse_cli.plan.reasons import gone

    rows = []
    # The rows of the tables that need these say that they are gone.
    missing = {gone(table.name) for table in plan.tables if table.kind == "source" and table.would_fail is not None}
    out_of_reach: set[str] = set()
    unread: dict[str, str] = {}
    for table in plan.tables:
        shown = _shown(table)
        mark, style = _MARKS[shown]
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
            from lakehouse_cli.plan.units import summed_up  # not loaded where no table has partitions

            why += [f"waiting: {reason.message}" for reason in summed_up(waiting)]
        if shown in ("misnamed", "unreadable"):  # the message may be long
            unread |= dict.fromkeys(why, table.name)
        elif unread:
            why = [*dict.fromkeys(_brief(each, unread) for each in why)]
        if table.state is not None and table.state.environment is not None:
            why.append(f"from `{table.state.environment}`")
        if table.would_fail is not None and shown == "no access":
            out_of_reach.add(table.would_fail)
        text = joined(why) if table.partitions else "; ".join(why)
        cell = Cell(printable(text), style if table.would_fail is not None else "dim")
        rows.append([Cell(mark, style), Cell(table.name), Cell(shown, style), cell])
    # The mark shows the action as well.
    header = ("", "table", "action", "why")
    return columns(terminal, header, rows, dispensable=(2,), shortened=1, shortest=16, least=26, fold=True)


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
