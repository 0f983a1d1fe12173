"""Problems and errors as text: what, where with the line shown, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from msgspec.structs import replace

from lakehouse_cli.errors import (
    DataError,
    LakehouseError,
    Location,
    Problem,
    ProjectError,
    SystemTroubleError,
    TransformError,
    UnexpectedError,
    Violation,
)
from lakehouse_cli.runs.error_info import location_json, violations_json
from lakehouse_cli.text.abbreviation import cut_message
from lakehouse_cli.text.counts import count_text, plural
from lakehouse_cli.text.terminal import HANGING, Terminal, beginning, printable, text_width

_MOST_PROBLEMS = 100
_MOST_FRAMES = 12
_LONGEST_ROUND = 6  # functions that call each other again and again
_CONTEXT = 100  # columns of a source line shown around its caret
#: File, line, function, source line.
Frame: TypeAlias = tuple[str, int, str, str]
_STARS = re.compile(r"\*{4,}")  # in the place of a secret; their number would give its length away


def problem_lines(terminal: Terminal, problem: Problem, *, verbose: bool = False) -> list[str]:
    """Format one problem, with its source line and a caret if these are known; a long message whole if `verbose`."""
    text = printable(problem.message if verbose else cut_message(problem.message))
    message = f"{terminal.style('error:', 'error')} {terminal.style(text, 'bold')}"
    lines = [terminal.wrap(message, " " * len("error: "))]
    place = problem.location
    if place is not None:
        lines.append(f"  {terminal.style(str(place), 'cyan')}")
    if place is None or place.line is None or place.source is None:
        if problem.hint:
            lines.append(terminal.wrap(f"  {problem.hint}", HANGING))
        return lines
    shown = _excerpt(terminal, place, problem.hint)
    return [*lines, *shown]


def _excerpt(terminal: Terminal, place: Location, hint: str | None) -> list[str]:
    source = (place.source or "").replace("\t", " ")
    at = min(place.column or 1, len(source) + 1) - 1
    end = at + place.length
    ahead, marked, behind = (_STARS.sub("***", part) for part in (source[:at], source[at:end], source[end:]))
    source, start, first = ahead + marked + behind, len(ahead), 0
    gutter = str(place.line)
    context = _CONTEXT if terminal.width is None else max(min(_CONTEXT, terminal.width - len(gutter) - 3), 1)
    if text_width(source) > context and text_width(ahead) > context * 2 // 3:
        first = start - len(beginning(ahead[::-1], context // 2))
    visible = beginning(printable(source[first : first + context]), context)
    before = printable(source[first:start])
    bar = terminal.style("|", "dim")
    blank = " " * len(gutter)
    marks = min(text_width(printable(marked[:context])), context - text_width(before))
    carets = terminal.style("^" * max(marks, 1), "error")
    indent = " " * text_width(before)
    lines = [f"{blank} {bar}", f"{terminal.style(gutter, 'dim')} {bar} {visible}"]
    pointer = f"{blank} {bar} {indent}{carets}"
    if hint is None:
        return [*lines, pointer]
    beside = f"{pointer}  {terminal.advice(hint)}"
    if terminal.width is None or text_width(beside) <= terminal.width:
        return [*lines, beside]
    room = replace(terminal, width=max(terminal.width - len(blank) - 3, 1))
    return [*lines, pointer, *(f"{blank} {bar} {line}" for line in room.wrap(hint).split("\n"))]


def error_lines(
    terminal: Terminal, error: LakehouseError, *, verbose: bool = False, would_run: bool = True
) -> list[str]:
    """Format any error of ours: each problem of a project, or the one of any other error."""
    if isinstance(error, ProjectError):
        lines: list[str] = []
        for problem in error.problems[:_MOST_PROBLEMS]:
            lines += [*problem_lines(terminal, problem, verbose=verbose), ""]
        more = len(error.problems) - _MOST_PROBLEMS
        if more > 0:
            lines += [f"and {count_text(more)} more; `-o json` has all", ""]
        return [*lines, f"{plural(len(error.problems), 'problem')}{'; nothing ran' if would_run else ''}"]
    if isinstance(error, DataError) and (len(error.violations) > 1 or any(v.examples for v in error.violations)):
        return _data_error_lines(terminal, error, verbose)
    lines = problem_lines(terminal, Problem(error.message, error.hint, error.location), verbose=verbose)
    if isinstance(error, TransformError | SystemTroubleError | UnexpectedError) and error.traceback and verbose:
        lines += error.traceback.splitlines()
    return lines


def _data_error_lines(terminal: Terminal, error: DataError, verbose: bool) -> list[str]:
    """Format violations as a run does: each column, with its rows and values."""
    # Each violation has its own place in the contract; without any, the table's is shown.
    place = error.location if all(violation.location is None for violation in error.violations) else None
    lines = problem_lines(terminal, Problem(error.message, location=place), verbose=verbose)
    for violation in error.violations:
        shown = violation_lines(terminal, violation, above=error.message)
        lines += [terminal.wrap(f"  {line}", HANGING) for line in shown]
    return [*lines, *([terminal.wrap(f"  next: {error.hint}", HANGING)] if error.hint else [])]


def error_json(error: LakehouseError) -> dict[str, Any]:
    """Make the same as JSON."""
    alone = Problem(error.message, error.hint, error.location)
    problems = error.problems if isinstance(error, ProjectError) else (alone,)
    kind = "ProjectError" if isinstance(error, ProjectError) else type(error).__name__
    places = [location_json(problem.location) or dict.fromkeys(("file", "line", "column")) for problem in problems]
    documents = [{"message": p.message, "hint": p.hint, **place} for p, place in zip(problems, places, strict=True)]
    document = {"type": kind, "message": error.message, "problems": documents}
    if isinstance(error, DataError):
        document["violations"] = violations_json(error.violations)
    return document


def frame_lines(terminal: Terminal, frames: Sequence[Frame]) -> Iterable[str]:
    """Format the user's own frames of an exception, innermost last, each with its source line; repetitions once."""
    shown: list[Frame | str] = list(_collapsed(frames))
    if len(shown) > _MOST_FRAMES:
        left_out = len(shown) - _MOST_FRAMES
        shown = [*shown[: _MOST_FRAMES // 2], f"… {count_text(left_out)} more", *shown[-_MOST_FRAMES // 2 :]]
    for each in shown:
        if isinstance(each, str):
            yield each
            continue
        file, line, function, source = each
        yield f"{terminal.style(f'{file}:{line}', 'cyan')} in {function}"
        if source:
            yield f"    {printable(source.expandtabs())}"


def _collapsed(frames: Sequence[Frame]) -> Iterator[Frame | str]:
    """Reduce frames that call each other again and again to the first round and the number of further ones."""
    at = 0
    while at < len(frames):
        size, rounds = max(_rounds(frames, at), key=lambda found: (found[0] * (found[1] - 1), -found[0]))
        yield from frames[at : at + size]
        if rounds > 1:
            yield f"… the same {'line' if size == 1 else f'{size} lines'}, {plural(rounds - 1, 'time')} more"
        at += size * rounds


def _rounds(frames: Sequence[Frame], at: int) -> Iterator[tuple[int, int]]:
    """Count, for each possible length of a round from here on, how often it comes in a row."""
    for size in range(1, _LONGEST_ROUND + 1):
        first, rounds = frames[at : at + size], 1
        while frames[at + rounds * size : at + (rounds + 1) * size] == first:
            rounds += 1
        yield size, rounds


def violation_lines(terminal: Terminal, violation: Violation, above: str) -> list[str]:
    """Format one violation: its message, its place in the contract, and the first rows and values.

    Args:
        terminal: The output.
        violation: One of an error.
        above: The message above it, which is not repeated.
    """
    lines = []
    place = f"  {terminal.style(str(violation.location), 'cyan')}" if violation.location is not None else ""
    if violation.message not in above:
        lines.append(f"{printable(violation.message)}{place}")
    elif place:
        lines.append(place.strip())
    # Of `unique` that is but one of the two things which it says.
    only_null = violation.check != "unique" and bool(violation.examples)
    only_null = only_null and all(example.value == "null" and example.row for example in violation.examples)
    if only_null and not any(example.line or example.key or example.file for example in violation.examples):
        rows = ", ".join(count_text(example.row) for example in violation.examples)
        more = violation.count - len(violation.examples)
        lines.append(
            f"  row{'s' if violation.count > 1 else ''} {rows}{f' and {count_text(more)} more' if more > 0 else ''}"
        )
    elif violation.examples:
        shown = []
        for example in violation.examples:
            row = f"row {count_text(example.row)}" if example.row is not None else ""
            line = f"line {count_text(example.line)}" if example.line is not None else ""
            if example.file:
                line = f"{printable(example.file)}{f':{example.line}' if example.line else ''}"
                line += f" row {count_text(example.file_row)}" if example.file_row else ""
            place = "; ".join(filter(None, (line, printable(example.key or ""))))
            value = "" if only_null else f": {printable(example.value)}"
            shown.append(f"{row}{f' ({place})' if place else ''}{value}".lstrip(": "))
        more = violation.count - len(violation.examples)
        if more > 0:
            shown.append(f"and {count_text(more)} more")
        lines.append("  " + terminal.style(", ".join(shown), None))
    return lines
