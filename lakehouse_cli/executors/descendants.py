"""The descendants of a process."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

_PROCESSES = Path("/proc")
# Python's own, which removes what others leave of shared memory and ends by itself when they have ended.
_CLEANER = b"multiprocessing.resource_tracker"


def kill_descendants(number: int) -> None:
    """Kill the descendants of a process, where the system lists processes under ``/proc``, as Linux does.

    One that was detached, so that its parent has ended, is not found.
    """
    for descendant in reversed(_descendants(number)):
        with suppress(OSError):  # it has ended
            os.kill(descendant, signal.SIGKILL)


def _descendants(number: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for folder in _PROCESSES.glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):  # it has ended
            # proc_pid_stat(5): the name, which may have anything in it, is in parentheses; state and parent follow.
            parent = int((folder / "stat").read_bytes().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(folder.name))
    found = [number]
    for one in found:  # grows meanwhile
        found.extend(child for child in children.get(one, ()) if not _is_cleaner(child))
    return found[1:]


def _is_cleaner(number: int) -> bool:
    try:
        return _CLEANER in (_PROCESSES / str(number) / "cmdline").read_bytes()
    except OSError:  # it has ended
        return False
