"""A run as text: the row of each table, the summary, and the errors of the tables that failed."""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct

from lakehouse_cli.rendering.reporters.problems import frame_lines, violation_lines
from lakehouse_cli.runs.error_info import ErrorInfo
from lakehouse_cli.runs.events import (
    PartitionFinished,
    PartitionResult,
    RunResult,
    TableComputed,
    TableReading,
    TableResult,
    TableRetrying,
    TableStatus,
)
from lakehouse_cli.text.abbreviation import cut_end, cut_message
from lakehouse_cli.text.causes import by_cause, joined, without_values
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.name_lists import first_few
from lakehouse_cli.text.terminal import (
    HANGING,
    Terminal,
    folded,
    names_width,
    note_lines,
    pad,
    printable,
    share_of,
    size_text,
    table_notes,
    text_width,
    time_text,
)

MARKS = {"materialized": "✓", "unchanged": "=", "passed": "✓", "failed": "✗"}
MARKS |= {"dropped": "✓"}
MARKS |= {"skipped": "○", "cancelled": "○", "held_back": "○", "computed": "✓"}
MARKS |= {"running": "▸", "finishing": "▸", "retrying": "▸"}
STYLES = {
    "materialized": "green",
    "unchanged": "dim",
    "passed": "green",
    "failed": "red",
    "skipped": "yellow",
    "cancelled": "yellow",
    "held_back": "yellow",
    "computed": "cyan",
    "running": "cyan",
    "finishing": "cyan",
    "retrying": "yellow",
    "waiting": "dim",
    "dropped": "green",
}
_GOES_ON = frozenset(("running", "finishing", "retrying"))
HEADER = ("table", "state", "rows", "size", "time", "why")
_WIDTHS = {"state": 12, "rows": 9, "size": 7, "time": 7}
# The least informative column goes first if there is no room; without its state, a table still has its mark. Of a table
# that runs, its time is all that shows that it does: it goes where there is not even room for a name.
_DISPENSABLE = ("size", "rows", "state")
_MIN_NAME, _MIN_WHY = 12, 26
# The same where no table has a reason, as in a first run until something goes wrong.
_LONG_NAME, _NO_WHY = 26, 16
# To this width names are shortened before columns are left out, and the reason has this much before long names do.
_SHORT_NAME, _WIDE_WHY = 16, 52
_BRIEF = 72
_ROW = 200  # characters of a reason, or an error, in a row of a log, which has no width
# Causes for which partitions of a table failed that are shown in full.
_FAILURES = 5
# Columns of a tab in the text of an exception.
_TAB = 4
_NAMED = 4
# The statuses that are counted at the end of a run, in this order.
_COUNTED: tuple[TableStatus, ...] = ("materialized", "unchanged", "passed", "failed", "skipped", "cancelled")
_COUNTED += ("held_back", "dropped", "waiting")
# The states of tables while a run goes on, in the order in which they are counted.
_STATES = tuple(dict.fromkeys(("failed", "running", "finishing", "retrying", "computed", *_COUNTED)))
_NEVER = "never materialized"
# Reasons that a first run gives once, for all of its tables.
_FIRST = frozenset(("never_materialized", "upstream_runs"))
# `totals` raised ValueError: …
_RAISED = re.compile(r"^`[^`]+` raised (?=\S)")
# Why a table is skipped: `totals` failed.
_BLOCKED = re.compile(r"`[^`]+` (failed|was [a-z_]+)")
# `s3://bucket/totals.csv cannot be written: …`, but not what an exception says of something else.
_CANNOT_BE = re.compile(r"^(?:(?!: ).){1,200}? cannot be [a-z ]+: (?=.)")


class Layout(Struct, frozen=True):
    """The columns of a run's table that fit; the reason, last, takes the rest.

    Attributes:
        name: Width of the name.
        shown: Which columns there are between the name and the reason.
    """

    name: int
    shown: tuple[str, ...] = tuple(_WIDTHS)


def layout(
    terminal: Terminal, names: Collection[str], objects: Collection[str] = (), *, reasons: bool = True
) -> Layout:
    """Fit columns into the width: first names are shortened, then counts and times make way for the reason.

    Args:
        terminal: The output.
        names: Of all tables.
        objects: Of those that have no rows to be counted.
        reasons: Whether any of them has one; else names have its room.
    """
    least, short = (_MIN_WHY, _SHORT_NAME) if reasons else (_NO_WHY, _LONG_NAME)
    widths = {column: width for column, width in _WIDTHS.items() if column != "rows" or not set(names) <= {*objects}}
    longest = max([len(HEADER[0]), *(text_width(name) for name in names)])
    if terminal.width is None:
        return Layout(max(longest, _MIN_NAME), tuple(widths))
    shown = list(widths)
    room = terminal.width - 2 - 2 - sum(width + 2 for width in widths.values())
    for column in (each for each in _DISPENSABLE if each in widths):
        if room - least >= min(longest, short if column != "state" else _MIN_NAME):
            break
        shown.remove(column)
        room += widths[column] + 2
    why = max(least, min(share_of(room), _WIDE_WHY)) if reasons else least
    room += 2  # a name has that of the reason where it has no room for it
    if room < len(HEADER[0]):
        shown.remove("time")
        room += _WIDTHS["time"] + 2
    return Layout(max(min(names_width(longest, room - 2, why), room), len(HEADER[0])), tuple(shown))


def header_line(terminal: Terminal, columns: Layout) -> str:
    """The names of the columns."""
    head = [pad(HEADER[0], columns.name)]
    head += [pad(name, _WIDTHS[name], right=name != "state") for name in columns.shown]
    line = "  " + "  ".join([*head, HEADER[5]])
    if terminal.width is not None and text_width(line) > terminal.width:
        line = terminal.cut("  " + "  ".join(head).rstrip(), terminal.width)
    return terminal.style(line, "dim")


def row_line(
    terminal: Terminal,
    columns: Layout,
    state: str,
    cells: Sequence[str],
    why: str,
    *,
    fold: bool = False,
    ends: bool = False,
) -> str:
    """One table's row.

    Args:
        terminal: The output.
        columns: From `layout`.
        state: The table's, a key of `STYLES`.
        cells: Name, rows, size and time, as text.
        why: The reason, or the error; cut to the rest of the line.
        fold: Let it go on in more lines, and cut nothing.
        ends: Cut it in the middle, and keep both ends.
    """
    name, rows, size, seconds = cells
    style = STYLES[state]
    texts = {
        "state": terminal.style(pad(_words(state), _WIDTHS["state"]), style),
        "rows": pad(rows, _WIDTHS["rows"], right=True),
        "size": pad(size, _WIDTHS["size"], right=True),
        "time": terminal.style(pad(seconds, _WIDTHS["time"], right=True), None if state in _GOES_ON else "dim"),
    }
    fixed = [pad(terminal.cut_middle(name, columns.name), columns.name), *(texts[column] for column in columns.shown)]
    text = f"{terminal.style(MARKS.get(state, ' '), style)} {'  '.join(fixed)}"
    room = None if terminal.width is None else terminal.width - text_width(text) - 2
    if room is not None and room < 1:
        return terminal.fit(text.rstrip())
    style = "" if state == "failed" else "dim"
    why = printable(why)
    if room is None:
        first, more = why, []
    elif fold:
        first, *more = folded(why, room)
    else:
        first, more = terminal.cut_middle(why, room) if ends else terminal.cut(why, room), []
    lines = [
        f"{text}  {terminal.style(first, style)}",
        *(" " * (text_width(text) + 2) + terminal.style(line, style) for line in more),
    ]
    return terminal.fit("\n".join(line.rstrip() for line in lines))


def computed_line(terminal: Terminal, columns: Layout, event: TableComputed) -> str:
    """Format the row of a table that waits for the others of its run to be published."""
    cells = (event.table, count_text(event.rows), "", clock_text(event.duration_s))
    return row_line(terminal, columns, "computed", cells, "")


def _words(state: str) -> str:
    return state.replace("_", " ")


def clock_text(seconds: float | None) -> str:
    """Seconds in a column of them: ``0.04 s``, ``99.9 s``; from there on minutes, ``4:05``, and hours, ``1:04:05``."""
    if seconds is None or seconds < 99.95:
        return time_text(seconds)
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def left_text(seconds: float) -> str:
    """How long something is expected to go on, in one unit: ``about 40 s left``; nothing of less than a second."""
    if seconds < 1:
        return ""
    size, unit = (1, "s") if seconds < 99.5 else (60, "min") if seconds < 99.5 * 60 else (3600, "h")
    return f"about {count_text(round(seconds / size))} {unit} left"


def why_text(result: TableResult, *, first_run: bool = False) -> str:
    """Why a table ended as it did, in one line; in a `first_run` not what is so of all of its tables."""
    if result.error is not None:
        return (
            _without_subject(result.error.message) if result.status == "failed" else _first_line(result.error.message)
        )
    messages = [reason.message for reason in result.reasons if not (first_run and reason.code in _FIRST)]
    return joined(messages, by_partition=bool(result.partitions))


def retry_text(event: TableRetrying) -> str:
    """Format the error of an attempt that another follows, in one short line."""
    cause = cut_end(printable(_without_subject(event.error.message)), _BRIEF)
    return f"attempt {event.attempt} failed: {cause}; next in {event.delay_s:g} s"


def next_attempt_text(event: TableRetrying, left_s: int) -> str:
    """Format the attempt that follows one that failed, in as many seconds; what is to be seen first comes first."""
    cause = printable(_RAISED.sub("", _without_subject(event.error.message)))
    return f"attempt {event.attempt + 1}{f' in {left_s} s' if left_s else ''}; before: {cause}"


def reading_text(event: TableReading) -> str:
    """How far the reading of a source is."""
    return f"{event.source}: {count_text(event.files)} of {plural(event.total, 'file')} read"


def retry_line(terminal: Terminal, event: TableRetrying) -> str:
    """Format the same with its table, as a line of a log."""
    named = f"{event.table} ({event.partition})" if event.partition else event.table
    return terminal.fit(f"  {named}: {retry_text(event)}")


def _without_subject(message: str) -> str:
    """Extract the cause: the row names the table."""
    return _CANNOT_BE.sub("", _first_line(message))


def _first_line(message: str) -> str:
    return cut_end(message.partition("\n")[0], _ROW)


def is_plain(result: TableResult) -> bool:
    """Whether a table was up to date, which a log need not say of each."""
    return result.status == "unchanged" and not result.notes


def result_line(
    terminal: Terminal, columns: Layout, result: TableResult, *, fold: bool = False, first_run: bool = False
) -> str:
    """Format the row of a table that ended; with `fold` in several lines if the reasons need them.

    Errors follow in full below all rows, so that one line is enough for them here; and so it is to name the table for
    which another was skipped.
    """
    cells = (result.name, count_text(result.rows), size_text(result.bytes), clock_text(result.duration_s))
    why = why_text(result, first_run=first_run)
    if terminal.width is None:
        why = cut_end(why, _ROW)
    elif result.status == "failed":  # whole below
        why = _RAISED.sub("", why)
    is_blocked = result.status == "skipped" and _BLOCKED.fullmatch(why) is not None
    fold = fold and result.status != "failed" and not is_blocked
    return row_line(terminal, columns, result.status, cells, why, fold=fold, ends=is_blocked)


def state_counts(counts: Mapping[str, int]) -> str:
    """How many tables are in which state, in one order: ``1 failed, 2 running, 30 waiting``."""
    return ", ".join(f"{count_text(counts[state])} {_words(state)}" for state in _STATES if counts.get(state))


def summary_line(terminal: Terminal, result: RunResult) -> str:
    """Format the number of tables by status, and the duration."""
    counts = [
        terminal.style(f"{count_text(result.count(status))} {_words(status)}", STYLES[status])
        for status in _COUNTED
        if result.count(status)
    ]
    what = ", ".join(counts) or "nothing to do"
    how = result.cancelled_by or "interrupted"
    ended = terminal.style(f"{how}: ", "yellow") if result.status == "cancelled" else ""
    return terminal.fit(terminal.wrap(f"{ended}{what} in {time_text(result.duration_s)}"))


def held_back_lines(terminal: Terminal, results: Sequence[TableResult]) -> list[str]:
    """Say which tables passed and were not published, and why; nothing where none was held back."""
    held = [each for each in results if each.status == "held_back"]
    if not held:
        return []
    stored, names = (
        first_few([f"`{each.name}`" for each in found], _NAMED, "more table")
        for found in ([each for each in results if each.status == "materialized"], held)
    )
    published = f"published before that: {stored}" if stored else "nothing was published"
    why = held[0].error.message if held[0].error is not None else ""
    return [terminal.fit(terminal.wrap(f"{why}: {published}; held back: {names}", HANGING))]


def result_note_lines(terminal: Terminal, results: Iterable[TableResult]) -> list[str]:
    """Format the notes on the tables of a run, and their checks that were not judged.

    Those of tables that failed stand with their errors.
    """
    shown = [each for each in results if each.error is None or each.partitions]  # else they stand with the error
    notes = [note for each in shown for note in table_notes(each.name, each.remarks)]
    return list(note_lines(terminal, notes))


def title_line(terminal: Terminal, project: str, environment: str, run_id: str, *, first_run: bool = False) -> str:
    """Format the project, the environment and the run; without an id, stored data are checked."""
    what = f"run {run_id}" if run_id else "check"
    first = f" · first run: {_NEVER}" if first_run else ""
    title = f"{terminal.style(printable(project), 'bold')} · {environment} · {what}{first}"
    return terminal.fit(terminal.wrap(title))


def failure_lines(terminal: Terminal, results: Iterable[TableResult], *, verbose: bool = False) -> list[str]:
    """Format the error of each table that failed, with rows, values, places and hints."""
    alike: dict[object, list[TableResult]] = {}
    for result in _by_partition(results):
        if result.status == "failed" and result.error is not None:
            alike.setdefault(_cause(result.name, result.error), []).append(result)
    lines = [line for results in alike.values() for line in _failure(terminal, results, verbose)]
    return [terminal.fit(line) for line in lines]


def _by_partition(results: Iterable[TableResult]) -> Iterator[TableResult]:
    """The results, with the partitions that failed, those of one cause together, in the place of their tables."""
    for result in results:
        failed = [each for each in result.partitions or () if each.status == "failed"]
        if not failed:
            yield result
        causes = by_cause((each, failure_cause(each)) for each in failed)
        for first, *others in causes[:_FAILURES]:
            named = (
                f"{plural(len(others) + 1, 'partition')}, {first.text} to {others[-1].text}" if others else first.text
            )
            yield TableResult(
                f"{result.name} ({named})", first.status, first.reasons, error=first.error, notes=first.notes
            )
        if left := sum(map(len, causes[_FAILURES:])):
            message = "failed otherwise"
            error = ErrorInfo("PartitionsError", message, "`-o json` and `lakehouse runs show` have each of them")
            yield TableResult(f"{result.name} ({plural(left, 'more partition')})", "failed", error=error)


def failure_cause(result: PartitionResult) -> Hashable:
    """Make a key that failures of partitions of one table share where they say the same of each."""
    error = result.error
    if error is None:
        return None
    texts = (error.message, error.hint or "", *(each.message for each in error.violations))
    return (error.type, error.frames, *(without_values(text, result.key.values()) for text in texts))


def partition_line(terminal: Terminal, columns: Layout, event: PartitionFinished) -> str:
    """Format the row of a partition that failed, as a line of a log."""
    found = event.result
    why = "" if found.error is None else f"{found.text}: {_without_subject(found.error.message)}"
    return row_line(terminal, columns, found.status, (event.table, "", "", clock_text(found.duration_s)), why)


def progress_text(done: int, total: int, width: int = 10) -> str:
    """A bar of what is done: ``███░░░ 37/120``; without a width, the numbers alone."""
    filled = width * done // total if total else width
    return f"{'█' * filled}{'░' * (width - filled)} {count_text(done)}/{count_text(total)}".lstrip()


def _cause(table: str, error: ErrorInfo) -> object:
    """Make a key that failures of the same cause share; most have their own."""
    if error.type == "UnreachableError":  # all tables of the storage fail alike
        return _CANNOT_BE.sub("", error.message), error.hint
    if error.type in ("ClusterError", "ClusterLostError"):  # and all that are under way on it
        return error.message
    if error.type == "TransformError" and error.frames and not error.inputs:  # a module, or what takes no tables
        return error.message, error.frames
    return table


def _failure(terminal: Terminal, results: Sequence[TableResult], verbose: bool) -> list[str]:
    error = results[0].error
    if error is None:
        return []
    tables = [result.name for result in results]
    alone = len(tables) == 1
    place = f" ({error.location})" if alone and error.location is not None and not error.violations else ""
    message = error.message if verbose else cut_message(error.message)
    first, *more = message.splitlines() or [""]
    named = first_few([terminal.style(name, "bold") for name in tables], _NAMED, "more table")
    # Further in than what follows.
    head = terminal.wrap(f"{named}  {printable(first)}{terminal.style(place, 'cyan')}", 2 * HANGING)
    said: list[str] = [printable(line.expandtabs(_TAB)) for line in more if line.strip()]
    if error.traceback and verbose:
        code = [printable(line.expandtabs(_TAB)) for line in error.traceback.rstrip().splitlines()]
    else:
        code = list(frame_lines(terminal, error.frames))
    code = [terminal.wrap(f"  {line}", 2 * HANGING) for line in code]
    body: list[str] = []
    if error.inputs:
        body.append(f"inputs: {', '.join(_shape(*each) for each in error.inputs)}")
    for violation in error.violations:
        body += violation_lines(terminal, violation, above=error.message)
    if error.hint:
        body.append(f"next: {error.hint}")
    notes = [*results[0].remarks, *([error.note] if error.note else [])]
    body += [terminal.style(note, "dim") for note in notes if alone]
    said, body = ([terminal.wrap(f"  {line}", HANGING) for line in each] for each in (said, body))
    return [head, *said, *code, *body]


def _shape(parameter: str, table: str, rows: int, columns: int) -> str:
    name = parameter if parameter == table else f"{parameter} ({table})"
    counted = f"{plural(rows, 'row')} × " if rows >= 0 else ""
    return f"{name} {counted}{plural(columns, 'column')}"
