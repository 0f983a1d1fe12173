"""Noticing that something a run depends on was changed on disk.

By looking, twice a second: a few hundred `stat` calls cost nothing to speak of, and unlike the notifications of
operating systems they work on network folders, in containers, and for editors that replace files. See ADR 0010.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping

INTERVAL_S = 0.5
Signature = Mapping[str, tuple[int, int, int]]


def signature(files: Iterable[str]) -> Signature:
    """Identify a state of files: inode, size and time of each that is there."""
    found = {}
    for file in files:
        try:
            status = os.stat(file)
        except OSError:
            continue
        found[file] = (status.st_ino, status.st_size, status.st_mtime_ns)
    return found


def wait_for_change(before: Signature, look: Callable[[], Iterable[str]]) -> list[str]:
    """Wait until files differ from `before` and have then been still for one interval.

    Args:
        before: From `signature`.
        look: Names the files to look at; called each time, so that new ones are seen.

    Returns:
        The files that changed, appeared or went away, sorted.
    """
    while True:
        time.sleep(INTERVAL_S)
        now = signature(look())
        if now == before:
            continue
        while True:
            time.sleep(INTERVAL_S)
            later = signature(look())
            if later == now:
                break
            now = later
        return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
