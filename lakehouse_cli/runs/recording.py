"""The recording of a run: its lock on the environment, and its events in the history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from lakehouse_cli.runs.events import Event, RunStarted, RunTrouble, RunWaiting, ignore_event
from lakehouse_cli.runs.history.writing import HistoryWriter
from lakehouse_cli.runs.lock import Holder, held_message, run_lock
from lakehouse_cli.text.redaction import Mask, masked


@contextmanager
def recording(
    folder: Path,
    environment: str,
    run_id: str,
    *,
    mask: Mask,
    wait: bool,
    on_event: Callable[[Event], None] | None,
) -> Iterator[Callable[[Event], None]]:
    """Lock an environment, and yield the function that takes a run's events to the history and to `on_event`.

    Args:
        folder: The project's.
        environment: Its name.
        run_id: The run's.
        mask: Redacts secret values in every event.
        wait: Wait for another run to end, rather than raise.
        on_event: The listener.

    Raises:
        RunLockedError: Another run holds the lock.
    """
    report = on_event or ignore_event

    def listen(event: Event) -> None:
        report(masked(event, mask))

    def waiting(holder: Holder | None) -> None:
        listen(RunWaiting(held_message(environment, holder)))

    with run_lock(folder, environment, run_id=run_id, wait=wait, on_wait=waiting) as trouble_with_lock:
        writer = HistoryWriter(folder)

        def emit(event: Event) -> None:
            event = masked(event, mask)
            writer.handle(event)
            report(event)
            if isinstance(event, RunStarted):
                for trouble in filter(None, (trouble_with_lock, writer.trouble)):
                    listen(RunTrouble(trouble))

        try:
            yield emit
        finally:
            writer.close()
