"""What transforms print, taken line by line, so that it does not run into what we write ourselves.

Python's prints go through `PrintedLines`. What writes to a descriptor past Python, as the programs do that a transform
starts, is caught by `redirected` and `PipedLines`; `MaskedStream` takes secrets out of it.
"""

from __future__ import annotations

import io
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Self, TextIO

from lakehouse_cli.text.redaction import Mask, unmasked

# Seconds that the end waits for lines to be shown: a terminal may be stopped.
_PATIENCE_S = 5.0


class PrintedLines(io.TextIOBase):
    """Stands in for `sys.stdout` or `sys.stderr` and hands on whole lines, those of several threads not mixed.

    In a process forked from the one that made it, everything goes to the stream itself.

    Args:
        put: Given each line, without its newline.
        stream: The stream that `fileno`, `buffer` and the like are about.
    """

    def __init__(self, put: Callable[[str], None], stream: TextIO) -> None:
        self._put = put
        self._stream = stream
        self._begun: dict[int, str] = {}
        self._lock = threading.RLock()
        self._owner = os.getpid()

    def write(self, text: str) -> int:
        """Take a text; what has no newline yet waits for it."""
        if os.getpid() != self._owner:
            return self._stream.write(text)
        thread = threading.get_ident()
        with self._lock:
            *lines, rest = (self._begun.pop(thread, "") + text).split("\n")
            if rest:
                self._begun[thread] = rest
            for line in lines:
                self._put(line)
        return len(text)

    def end_lines(self) -> None:
        """Hand on what has no newline as if it had."""
        with self._lock:
            begun, self._begun = self._begun, {}
            for line in begun.values():
                self._put(line)

    def end_own_line(self) -> None:
        """Hand on what this thread has begun; lines of others go on."""
        with self._lock:
            line = self._begun.pop(threading.get_ident(), "")
            if line:
                self._put(line)

    def flush(self) -> None:
        """Whole lines were handed on already; the rest waits for its newline."""
        if os.getpid() != self._owner:
            self._stream.flush()

    def writable(self) -> bool:
        """It is."""
        return True

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The stream's descriptor."""
        return self._stream.fileno()

    def __getattr__(self, name: str) -> Any:
        # `buffer`, `reconfigure` and what else there may be.
        return getattr(self._stream, name)


def end_printed_line() -> None:
    """End the line that this thread has begun to print, as what it was printed for is done."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, PrintedLines):
            stream.end_own_line()


class PipedLines:
    """A pipe that hands on whole lines, in a thread of its own, as they come.

    Args:
        put: Given each line, without its newline.

    Attributes:
        descriptor: What to write to.
    """

    def __init__(self, put: Callable[[str], None]) -> None:
        self._put = put
        self._read_end, self.descriptor = os.pipe()
        # Shows how far the reader is: programs that live on keep the pipe open, so that its end may never come.
        self._mark = f"\0{os.urandom(8).hex()}\0".encode()
        # The same where what has no newline goes on.
        self._pause = f"\0{os.urandom(8).hex()}\0".encode()
        # Begins a line of our own: another process may have written half a line before it.
        self._begin = f"\0{os.urandom(8).hex()}\0".encode()
        self._marks_read = threading.Semaphore(0)
        self._closing = False
        self._reader = threading.Thread(target=self._read, name="lakehouse printed", daemon=True)
        self._reader.start()

    def write_line(self, line: str) -> None:
        """Have a line handed on in its turn, and as one; what was written without a newline goes on behind it."""
        data = self._begin + line.encode(errors="backslashreplace") + b"\n"
        while data:
            data = data[os.write(self.descriptor, data) :]

    def end_lines(self, *, all_of_them: bool = True) -> None:
        """Wait until all that was written is handed on; what has no newline as if it had, unless it may go on."""
        os.write(self.descriptor, self._mark if all_of_them else self._pause)
        self._marks_read.acquire(timeout=_PATIENCE_S)

    def close(self) -> None:
        """Hand on the rest; nobody reads what is written later."""
        self._closing = True
        self.end_lines()
        self._reader.join(_PATIENCE_S)
        for descriptor in (self._read_end, self.descriptor):
            os.close(descriptor)

    def _read(self) -> None:
        ends = re.compile(b"(" + b"|".join(map(re.escape, (b"\n", self._mark, self._pause, self._begin))) + b")")
        rest = begun = b""
        is_own = False
        while True:
            *pieces, rest = ends.split(rest + os.read(self._read_end, 1 << 16))
            for text, end in zip(pieces[::2], pieces[1::2], strict=True):
                line = text if is_own else begun + text
                if end == b"\n" or (end == self._mark and line):
                    with suppress(OSError, ValueError):  # nobody reads on
                        self._put(line.decode(errors="replace"))
                    begun = begun if is_own else b""
                else:
                    begun += text
                is_own = end == self._begin
                if end in (self._mark, self._pause):
                    self._marks_read.release()
            if self._closing and self._mark in pieces:
                return


class MaskedStream:
    """While it is entered, what is written to a stream's descriptor is masked, also what child processes write.

    Whole lines are passed on. Where there is nothing to hide nothing is changed, and programs write as ever.

    Args:
        stream: Such as stderr.
        descriptor: The stream's; where it is not, or is closed, nothing is changed.
        mask: Takes secrets out of a line.

    Attributes:
        own: A stream to the same place that nothing masks.
    """

    def __init__(self, stream: TextIO, descriptor: int, mask: Mask) -> None:
        self.own = self._stream = stream
        self._descriptor = descriptor
        self._mask = mask
        self._piped: PipedLines | None = None
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        if self._mask is not unmasked:
            self.own = own_stream(self._stream, self._descriptor, self._stack)
        if self.own is not self._stream:
            self._piped = PipedLines(lambda line: write_line(self.own, self._mask(line)))
            self._stack.callback(self._piped.close)
            self._stack.enter_context(redirected(self._descriptor, self._piped.descriptor))
            self._stack.callback(self._stream.flush)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def write_line(self, line: str) -> None:
        """Write a line that does not run into what programs write, masked like all else."""
        if self._piped is None:
            write_line(self._stream, self._mask(line))
        else:
            with suppress(OSError):  # nobody reads it
                self._piped.write_line(line)

    def end_lines(self, *, all_of_them: bool = True) -> None:
        """Wait until all that was written is passed on; what has no newline as if it had, unless it may go on."""
        if self._piped is not None:
            self._piped.end_lines(all_of_them=all_of_them)


def own_stream(stream: TextIO, descriptor: int, stack: ExitStack) -> TextIO:
    """A stream to where another goes that stays there when the descriptor is redirected.

    Args:
        stream: The other.
        descriptor: What is to be redirected; the stream itself is given where it has another, or a closed one.
        stack: Closes what is given.
    """
    stream.flush()
    if _descriptor(stream) != descriptor:
        return stream
    try:
        kept = os.dup(descriptor)
    except OSError:  # closed
        return stream
    own = os.fdopen(kept, "w", encoding=stream.encoding, errors=stream.errors)
    stack.callback(_close, own)
    return own


def write_line(stream: TextIO, line: str) -> None:
    """Write a line at once, where anybody takes it; a closed pipe is no error of the printer."""
    with suppress(OSError, ValueError):
        stream.write(line + "\n")
        stream.flush()


def _close(stream: TextIO) -> None:
    with suppress(OSError):  # was reported when it was written
        stream.close()


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


@contextmanager
def redirected(descriptor: int, to: int) -> Iterator[None]:
    """Have all that is written to a descriptor go to another, also what child processes write.

    Where one of them is closed, nothing is changed.
    """
    try:
        kept = os.dup(descriptor)
    except OSError:
        yield
        return
    try:
        with suppress(OSError):
            os.dup2(to, descriptor)
        yield
    finally:
        os.dup2(kept, descriptor)
        os.close(kept)
