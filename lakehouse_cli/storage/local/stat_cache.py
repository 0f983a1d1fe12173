"""What was computed from local files, kept for as long as `stat` shows that nobody changed them.

Device, inode and times of a file are facts of one machine, so they are kept in the project's local state and not in
manifests, which travel with the data. Without such notes, as in a fresh clone, the same is computed again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path
from stat import S_ISREG
from typing import Any, NamedTuple

from msgspec import json

from lakehouse_cli.runs.local_state import keep, make_state_folder, state_folder
from lakehouse_cli.text.regular_files import read_regular

_FOLDER, _FILE = "cache", "stat.jsonl"
#: An mtime this recent does not prove that a file is unchanged (git: racily clean): file systems count ticks, some of
#: two seconds, and a change within the tick of the last one leaves the same time.
RACY_MTIME_NS = 2_000_000_000
#: Values that are put together are written so often.
TOGETHER_SECONDS = 1.0
# The file may hold this much of what is outdated before it is written anew.
_MOST_OUTDATED = 1 << 16


class Stamp(NamedTuple):
    """What `stat` shows of a file, and what is another whenever the file is replaced or written to.

    Programs that copy or unpack files set the modification time back (``cp -p``, ``rsync -t``, ``tar -x``). The time of
    the last change of the inode cannot be set.
    """

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """The stamp of a file that was looked at."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    @property
    def is_racy(self) -> bool:
        """Whether the file may change after now and keep this stamp."""
        return time.time_ns() - max(self.modified_ns, self.changed_ns) < RACY_MTIME_NS


#: Of the files that a value was computed from; None for one that is not there.
Stamps = tuple[Stamp | None, ...]
_Line = tuple[str, Stamps, Any]
_decoder = json.Decoder(_Line)


class StatCache:
    """The values computed from the files of one project, by a name for each.

    Processes append to one file, a line for each value; the last line of a name counts. A line that is lost or cut off
    only means that its value is computed again.

    Args:
        project: The project's folder.
    """

    def __init__(self, project: Path) -> None:
        self._project = project
        self._path = state_folder(project, _FOLDER) / _FILE
        self._values: dict[str, tuple[Stamps, Any]] = {}
        # Inode and size of the file as far as its lines are known.
        self._known: tuple[int, int] | None = None
        self._unwritten: list[bytes] = []
        # How many blocks put values together, and when some were written last.
        self._blocks, self._written = 0, 0.0

    def get(self, name: str, stamps: Stamps) -> Any | None:
        """The value computed from files that had these stamps; None where it is not known."""
        found = self._get(name, stamps)
        return found if found is not None or not self._refresh() else self._get(name, stamps)

    def current(self) -> Mapping[str, tuple[Stamps, Any]]:
        """All values that are known by now, each with the stamps that its files had."""
        self._refresh()
        return self._values

    def _get(self, name: str, stamps: Stamps) -> Any | None:
        known = self._values.get(name)
        return known[1] if known is not None and known[0] == stamps else None

    def put(self, name: str, stamps: Stamps, value: Any, *, flush: bool = True) -> None:
        """Keep a value; trouble in writing is ignored.

        Args:
            name: What it is the value of.
            stamps: Of the files it was computed from, before and after; not racy then.
            value: JSON.
            flush: Whether to write it at once; otherwise `flush` does.
        """
        self._values[name] = stamps, value
        with suppress(ValueError):  # a name of a file may be no text
            self._unwritten.append(json.encode((name, stamps, value)) + b"\n")
        if flush and (not self._blocks or time.monotonic() - self._written > TOGETHER_SECONDS):
            self.flush()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write what the block puts every second and at its end, in place of one append for each of very many files."""
        self._blocks += 1
        try:
            yield
        finally:
            self._blocks -= 1
            self.flush()

    def flush(self) -> None:
        """Write what was kept and not written yet, in one append."""
        lines, self._unwritten = self._unwritten, []
        self._written = time.monotonic()
        if lines:
            with suppress(OSError):
                try:
                    self._append(b"".join(lines))
                except FileNotFoundError:
                    make_state_folder(self._project, _FOLDER)
                    self._append(b"".join(lines))

    def _append(self, line: bytes) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
        try:
            before = os.fstat(descriptor)
            os.write(descriptor, line)
            if not before.st_size or self._known == (before.st_ino, before.st_size):
                self._known = before.st_ino, before.st_size + len(line)
        finally:
            os.close(descriptor)

    def _refresh(self) -> bool:
        """Read what other processes appended, and drop what is outdated; returns whether there was any."""
        with suppress(OSError):
            status = os.stat(self._path)
            seen = status.st_ino, status.st_size
            if seen == self._known or not S_ISREG(status.st_mode):
                return False
            lines = _lines(read_regular(self._path))
            kept = {name: (stamps, value) for name, stamps, value in lines}
            if self._values:
                self._values |= kept
            else:  # of a hundred thousand files, not twice
                self._values = kept
            self._known = seen
            if status.st_size > _MOST_OUTDATED and len(lines) > len(kept):
                content = b"".join([json.encode((name, *rest)) + b"\n" for name, rest in kept.items()])
                if status.st_size > 2 * len(content) + _MOST_OUTDATED:
                    keep(self._project, _FOLDER, _FILE, content)
            return True
        return False


def kept_together(project: Path | None) -> AbstractContextManager[None]:
    """A block in which values of very many files are kept, if the project keeps any; see `StatCache.together`."""
    return nullcontext() if project is None else stat_cache(project).together()


@cache
def stat_cache(project: Path) -> StatCache:
    """The one cache of a project in this process."""
    return StatCache(project)


def _lines(content: bytes) -> list[_Line]:
    try:
        return _decoder.decode_lines(content)
    except ValueError:  # a line was cut off, such as by a full disk
        found: list[_Line] = []
        for line in content.splitlines():
            with suppress(ValueError, RecursionError):
                found.append(_decoder.decode(line))
        return found
