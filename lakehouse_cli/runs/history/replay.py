"""A run replayed from its file, if every line of it is what a run writes: the one judgement on what can be read.

Lists, single runs and the removal of old files all rest on it, so that nothing is listed that cannot be shown, and
nothing removed that no run wrote.
"""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct, field

from lakehouse_cli.runs.event_json import Beginning, Ending, RunEnd, read_line
from lakehouse_cli.runs.events import TableFinished, TableResult, TableRetrying, TableStarted
from lakehouse_cli.runs.history.files import UnreadableRunError, beginning, opened, parse_line


class RunReplay(Struct):
    """The state of a run after some lines of its file.

    Attributes:
        run: Its beginning.
        results: How tables ended, by name.
        started: Attempts at each table that was started and has not ended.
        finish: How the run ended; None until it does.
    """

    run: Beginning
    results: dict[str, TableResult] = field(default_factory=dict)
    started: dict[str, int] = field(default_factory=dict)
    finish: RunEnd | None = None

    def take(self, line: bytes) -> None:
        """Take the next line; ignore an unknown event.

        Raises:
            ValueError: No run writes it.
        """
        match read_line(line):
            case TableStarted(table, attempt) | TableRetrying(table, attempt):
                self.started[table] = attempt
            case TableFinished(result):
                self.results[result.name] = result
                self.started.pop(result.name, None)
            case Ending(finish):
                self.finish = finish


def replay(path: Path) -> RunReplay:
    """Replay a run's file; a last line that was cut short belongs to a run that died while writing it.

    Raises:
        UnreadableRunError: It is not a run's, in whichever line.
    """
    with opened(path) as file:
        found = RunReplay(beginning(path, file.readline()))
        for number, line in enumerate(file, 2):
            if not line.endswith(b"\n"):
                break
            try:
                found.take(line)
            except (ValueError, RecursionError):
                parse_line(path, line, number)
                raise UnreadableRunError(path.stem, f"line {number} is not what a run writes") from None
    return found


def is_run(path: Path) -> bool:
    """Whether a file is a run's, to its last line."""
    try:
        replay(path)
    except UnreadableRunError:
        return False
    return True
