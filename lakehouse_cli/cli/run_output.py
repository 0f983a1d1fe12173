"""The output of a run: its reporters, and what transforms print meanwhile."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Self, TextIO

from lakehouse_cli.cli import output
from lakehouse_cli.text.printing import MaskedStream, PipedLines, PrintedLines, own_stream, redirected, write_line
from lakehouse_cli.text.redaction import unmasked

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lakehouse_cli.cli.options import Settings
    from lakehouse_cli.rendering.reporters.base import Reporter
    from lakehouse_cli.runs.events import Event
    from lakehouse_cli.text.redaction import Mask


class RunOutput:
    """The reporters of a run; from when it is entered, stdout is theirs and the command's alone.

    It stays so until the invocation ends: what transforms began may print when the run is over.

    What transforms print, and the programs they start, appears above the live table where there is one, and goes to
    stderr elsewhere: as it is, or, what Python prints, as JSON where stderr takes JSON lines. Secrets are taken out.

    Args:
        settings: What the user asked for.
        mask: For what is printed.
        log_json: Whether stderr takes the events as JSON lines.

    Attributes:
        trouble: Why stdout takes nothing any more; None where it does, or where nobody reads it.
    """

    def __init__(self, settings: Settings, mask: Mask, *, log_json: bool, more: Sequence[Reporter] = ()) -> None:
        self._settings = settings
        self._mask = mask
        self._log_json = log_json
        self._more = more
        self._stack = contextlib.ExitStack()
        self._reporting = contextlib.ExitStack()
        self._reporters: list[Reporter] = []
        self._printed: list[PrintedLines | PipedLines | MaskedStream] = []
        self._shown_by: Reporter | None = None
        self._under_way: set[str] = set()
        self.trouble: OSError | None = None

    def __enter__(self) -> Self:
        self._stack = output.until_the_end()
        for reporter in self._more:
            self._take_part(reporter)
        terminal = self._settings.stdout
        silent = self._settings.is_document or self._settings.quiet
        # Two writers of one terminal would draw over each other.
        if terminal.interactive and not silent and not self._log_json:
            from lakehouse_cli.rendering.reporters.live import LiveReporter

            results = own_stream(sys.stdout, 1, self._stack)
            live = LiveReporter(results, terminal, verbose=self._settings.verbose)
            self._take_part(live)
            self._shown_by = live

            def above(line: str) -> None:
                live.print_above(self._mask(line))

            own_errors = own_stream(sys.stderr, 2, self._stack) if os.isatty(2) else self._errors().own
            if results is not sys.stdout:
                self._take_piped(above)
            self._take_printed(above, sys.stdout, stderr=True)
            self._stack.callback(self._end_lines)
            output.write_to(results, own_errors)
            return self
        results = own_stream(sys.stdout, 1, self._stack)
        stderr, errors = sys.stderr, self._errors()
        self._stack.enter_context(redirected(1, 2))
        if not silent:
            from lakehouse_cli.rendering.reporters.lines import LinesReporter

            self._shown_by = LinesReporter(results, terminal)
            self._take_part(self._shown_by)
        if self._log_json:
            from lakehouse_cli.rendering.reporters.log_json import LogJsonReporter

            self._take_part(LogJsonReporter(errors.own))

            def as_json(line: str) -> None:
                write_line(errors.own, output.json_line("printed", text=self._mask(line)))

            self._take_printed(as_json, stderr, stderr=True)
        else:
            hiding = self._mask is not unmasked
            self._take_printed(errors.write_line, stderr, stderr=hiding)
        self._stack.callback(self._end_lines)
        output.write_to(results, errors.own)
        return self

    def __exit__(self, *_: object) -> None:
        self._end_lines()
        self._reporting.close()

    def handle(self, event: Event) -> None:
        """Take an event to the reporters."""
        from lakehouse_cli.runs.events import RunFinished, TableFinished, TableStarted

        if isinstance(event, TableStarted):
            self._under_way.add(event.table)
        elif isinstance(event, TableFinished):
            self._under_way.discard(event.result.name)
            self._end_lines(all_of_them=not self._under_way)
        elif isinstance(event, RunFinished):
            self._end_lines()
        for reporter in list(self._reporters):
            try:
                reporter.handle(event)
            except OSError as error:
                # Nobody reads on, or there is no room where the output goes: the tables matter more.
                self._reporters.remove(reporter)
                if reporter is self._shown_by and not isinstance(error, BrokenPipeError):
                    self.trouble = error

    def _take_part(self, reporter: Reporter) -> None:
        self._reporters.append(reporter)
        self._reporting.callback(reporter.close)

    def _errors(self) -> MaskedStream:
        """Stderr, with a stream to it for us alone; what goes there otherwise is masked from now on."""
        masked = self._stack.enter_context(MaskedStream(sys.stderr, 2, self._mask))
        self._printed.append(masked)
        return masked

    def _take_printed(self, put: Callable[[str], None], stream: TextIO, *, stderr: bool) -> None:
        out = PrintedLines(put, stream)
        self._printed.append(out)
        self._stack.enter_context(contextlib.redirect_stdout(out))
        if stderr:
            err = PrintedLines(put, sys.stderr)
            self._printed.append(err)
            self._stack.enter_context(contextlib.redirect_stderr(err))

    def _take_piped(self, put: Callable[[str], None]) -> None:
        """Take what goes to the terminal past Python, such as what programs write that a transform starts."""
        piped = PipedLines(put)
        self._printed.append(piped)
        self._stack.callback(piped.close)
        for descriptor in (1, 2):
            if os.isatty(descriptor):
                self._stack.enter_context(redirected(descriptor, piped.descriptor))

    def _end_lines(self, *, all_of_them: bool = True) -> None:
        """Have all that was printed shown; with `all_of_them` what has no newline yet, of whatever table it is, too."""
        # What Python printed goes through the descriptors that are masked.
        for lines in reversed(self._printed):
            if not isinstance(lines, PrintedLines):
                lines.end_lines(all_of_them=all_of_them)
            elif all_of_them:  # else the executor has ended those of the table
                lines.end_lines()
