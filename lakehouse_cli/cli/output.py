"""Where an invocation writes: results to stdout, everything else to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TextIO

from lakehouse_cli.text.terminal import fitted, holds_marks

if TYPE_CHECKING:
    from lakehouse_cli.text.page import Page
    from lakehouse_cli.text.redaction import Mask


class UnwrittenError(OSError):
    """Results cannot be written; any other `OSError` has another cause."""


class Streams:
    """The streams of this invocation; `sys.stdout` and `sys.stderr` may be replaced by the user's code.

    Attributes:
        stdout: Takes results.
        stderr: Takes errors and notes.
        lasting: Contexts that end with the invocation.
    """

    stdout = sys.stdout
    stderr = sys.stderr
    lasting = ExitStack()


def write_to(stdout: TextIO, stderr: TextIO) -> None:
    """Write to these streams from now on."""
    Streams.stdout, Streams.stderr = stdout, stderr


def until_the_end() -> ExitStack:
    """Return a stack that is closed at the end of the invocation, or at the next call.

    Threads and exit handlers of transforms print after the command has done its work.
    """
    Streams.lasting.close()
    Streams.lasting.callback(write_to, Streams.stdout, Streams.stderr)
    return Streams.lasting


def take_printed(mask: Mask) -> None:
    """Have what transforms print, and the programs they start, go to stderr: it is not part of the result."""
    from contextlib import redirect_stdout

    from lakehouse_cli.text.printing import MaskedStream, own_stream, redirected

    stack = until_the_end()
    results = own_stream(sys.stdout, 1, stack)
    errors = stack.enter_context(MaskedStream(sys.stderr, 2, mask))
    stack.enter_context(redirect_stdout(sys.stderr))
    stack.enter_context(redirected(1, 2))
    write_to(results, errors.own)


def write(text: str = "") -> None:
    """Write a line of the result to stdout."""
    _put(fitted(text, Streams.stdout) + "\n")


def write_lines(lines: Iterable[str]) -> None:
    """Write lines of the result to stdout."""
    _put(fitted("".join([f"{line}\n" for line in lines]), Streams.stdout))


def write_bytes(parts: Iterable[memoryview]) -> None:
    """Write bytes to stdout, and nothing beside them."""
    flush()
    for part in parts:
        try:
            Streams.stdout.buffer.write(part)
        except BrokenPipeError:
            drop_results()
            return
        except OSError as error:
            raise UnwrittenError(error.errno, error.strerror) from error
    flush()


def write_json(document: Any) -> None:
    """Write the one JSON document of this invocation to stdout."""
    import json

    text = json.dumps(document, indent=2, ensure_ascii=not holds_marks(Streams.stdout))
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can write
        text = json.dumps(document, indent=2)
    _put(text + "\n")


def write_json_parts(parts: Iterable[str]) -> None:
    """The same of one that is text already, part by part."""
    escapes = holds_marks(Streams.stdout)
    for part in parts:
        try:
            part.encode("ascii" if escapes else "utf-8")
        except UnicodeEncodeError:
            part = _escaped(part)
        _put(part)
    flush()


def _escaped(text: str) -> str:
    """JSON whose letters beyond ASCII are written as escapes."""
    import json

    return "".join(each if each.isascii() else json.dumps(each)[1:-1] for each in text)


def write_markdown(page: Page) -> None:
    """Write the one Markdown document of this invocation to stdout."""
    from lakehouse_cli.text.page import to_markdown

    write(to_markdown(page))


def json_line(event: str, **members: Any) -> str:
    """Format an event of the command itself as one line of JSON, as the events of a run are."""
    import json

    from lakehouse_cli.text.clock import now_text

    return json.dumps({"event": event, "at": now_text(), **members}, separators=(",", ":"))


def flush() -> None:
    """Flush what was written of the result."""
    _put("", flush=True)


def _put(text: str, *, flush: bool = False) -> None:
    """Write; where nobody reads on (`head`, a closed pager), the command goes on and keeps its exit code."""
    try:
        Streams.stdout.write(text)
        if flush:
            Streams.stdout.flush()
    except BrokenPipeError:
        drop_results()
    except OSError as error:
        raise UnwrittenError(error.errno, error.strerror) from error


def drop_results() -> None:
    """Discard what stdout still buffers, and what is written there later."""
    _drop(Streams.stdout)


def _drop(stream: TextIO) -> None:
    # Else Python tries to write it again at exit.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def write_stderr(lines: Sequence[str]) -> None:
    """Write lines to stderr; where that takes none, the exit code has to do."""
    if lines:
        try:
            Streams.stderr.write("".join(fitted(line, Streams.stderr) + "\n" for line in lines))
        except OSError:
            _drop(Streams.stderr)
