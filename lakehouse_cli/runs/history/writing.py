"""The writer of the history: a reader of events that appends each to the run's file as it happens."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from lakehouse_cli.errors import UsageError
from lakehouse_cli.runs.event_json import event_line
from lakehouse_cli.runs.events import (
    Event,
    PartitionFinished,
    RunEstimated,
    RunFinished,
    RunStarted,
    TablePlaced,
    TableReading,
)
from lakehouse_cli.runs.history.files import RUNS, SUFFIX, run_files
from lakehouse_cli.runs.local_state import STATE, hold, is_held, let_go, make_state_folder
from lakehouse_cli.text.causes import system_reason

#: How many runs are kept where LAKEHOUSE_RUNS_KEPT does not say.
KEPT = 100
_PASSING = (PartitionFinished, RunEstimated, TableReading, TablePlaced)


class HistoryWriter:
    """Writes a run's events to its file; takes events like any reporter.

    Each line is handed to the operating system before the run goes on, so that a run that is killed leaves every event
    so far; the file is locked until the run ends, which distinguishes a run that goes on from one that died. An error
    in writing never fails a run.

    Args:
        folder: The project's.
        keep: How many runs to keep, this one counted; by default what LAKEHOUSE_RUNS_KEPT says, else 100.

    Attributes:
        trouble: Why the run is not, or not wholly, in the history; None if it is.

    Raises:
        UsageError: LAKEHOUSE_RUNS_KEPT is not a whole number above 0.
    """

    def __init__(self, folder: Path, *, keep: int | None = None) -> None:
        self._folder = folder
        self._keep = _kept(os.environ) if keep is None else keep
        self._descriptor: int | None = None
        self._owner = os.getpid()
        self.trouble: str | None = None

    def handle(self, event: Event) -> None:
        """Take the next event."""
        # Of an estimate, a reading, or a worker, nobody asks afterwards, and of a partition its table says all.
        if self._owner != os.getpid() or isinstance(event, _PASSING):
            return
        line = event_line(event, datetime.now(UTC)).encode()
        try:
            if isinstance(event, RunStarted):
                self._begin(event.run_id, line)
            elif self._descriptor is not None:
                _write(self._descriptor, line)
        except OSError as error:
            place, reason = f"`{STATE}/{RUNS}`", system_reason(error)
            where = "" if place in reason else f"{place} cannot be written: "
            self.trouble = f"the history of this run is not complete: {where}{reason}"
            self.close()
        if isinstance(event, RunFinished):
            self.close()

    def close(self) -> None:
        """Close the file, however the run ended."""
        descriptor, self._descriptor = self._descriptor, None
        # In a process forked from the run's, the descriptor may be another file by now.
        if descriptor is not None and self._owner == os.getpid():
            let_go(descriptor)

    def _begin(self, run_id: str, line: bytes) -> None:
        self.close()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        path = make_state_folder(self._folder, RUNS) / f"{run_id}{SUFFIX}"
        self._descriptor = os.open(path, flags, 0o666)
        with suppress(OSError):  # without locks a run that goes on looks like one that died, and that is all
            hold(self._descriptor, wait=True)
        try:
            _write(self._descriptor, line)
        except OSError:
            path.unlink()  # without a whole first line nobody could read it
            raise
        if too_old := run_files(self._folder)[self._keep :]:
            from lakehouse_cli.runs.history.replay import is_run  # not needed by most runs

            for old in too_old:
                # A file that is not wholly a run's may be somebody's.
                if old != path and not is_held(old) and is_run(old):
                    with suppress(OSError):
                        old.unlink()


def _write(descriptor: int, line: bytes) -> None:
    # A line is one call, so that lines of several threads do not mix; more than one only where the disk is full.
    while line:
        line = line[os.write(descriptor, line) :]


def _kept(environ: Mapping[str, str]) -> int:
    text = environ.get("LAKEHOUSE_RUNS_KEPT") or str(KEPT)
    if not (text.isascii() and text.isdecimal()) or int(text) == 0:
        raise UsageError(
            f"LAKEHOUSE_RUNS_KEPT is `{text}`, which is no number of runs", hint="give it a whole number above 0"
        )
    return int(text)
