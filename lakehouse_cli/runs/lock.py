"""One run at a time: a lock for each environment of a project, which knows its holder and never outlives it.

The lock is the kernel's (`flock`) on a small file under ``.lakehouse/locks``; its text only names the holder, for
people. A process that ends in whatever way releases it, so nothing is ever left locked, and the text of a dead process
blocks nobody.
"""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, convert
from msgspec.structs import asdict

from lakehouse_cli.errors import LakehouseError
from lakehouse_cli.runs.local_state import STATE, hold, let_go, make_state_folder, state_folder
from lakehouse_cli.text.causes import system_reason
from lakehouse_cli.text.terminal import printable

LOCKS = "locks"
_LARGEST = 4096  # bytes of a lock's text that are read
_WITHOUT_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.EROFS, errno.EACCES, errno.EPERM}
_WITHOUT_LOCKS |= {errno.ENOSPC, errno.EDQUOT}


class Holder(Struct, frozen=True):
    """The holder of a lock.

    Attributes:
        pid: Of the process.
        host: Where it runs.
        since: ISO 8601 in UTC.
        run_id: The run, None for what is no run.
    """

    pid: int
    host: str
    since: str
    run_id: str | None = None

    def __str__(self) -> str:
        """For messages: ``pid 123 on host since 12:03``, with the date where that is not today's."""
        return f"pid {self.pid} on {printable(self.host)} since {_clock(self.since)}"


class RunLockedError(LakehouseError):
    """Another run holds the lock; `holder` says which, None if unknown."""

    def __init__(self, environment: str, holder: Holder | None, hint: str) -> None:
        super().__init__(held_message(environment, holder), hint=hint)
        self.environment = environment
        self.holder = holder


def held_message(environment: str, holder: Holder | None) -> str:
    """Say that a lock is taken, and by whom."""
    who = f" ({holder})" if holder is not None else ""
    return f"another run{who} holds `{environment}`"


def lock_file(folder: Path, environment: str) -> Path:
    """Return the path of a lock's file; any name of an environment makes one."""
    name = re.sub(r"[^A-Za-z0-9_.-]", lambda match: f"%{ord(match.group()):x}", environment)
    return state_folder(folder, LOCKS) / f"{name}.lock"


@contextmanager
def run_lock(
    folder: Path,
    environment: str,
    *,
    run_id: str | None = None,
    wait: bool = False,
    on_wait: Callable[[Holder | None], None] | None = None,
    hint: str = "`--wait` waits for it",
) -> Iterator[str | None]:
    """Lock one environment of a project; yield why this file system gives no lock, None if it does.

    Several locks, of one process or of many, keep each other out alike. On network file systems it reaches as far as
    their locks do: other hosts are kept out where the server passes locks on (NFS since Linux 2.6.12 does), and only
    this one otherwise. Without a lock the run goes on.

    Args:
        folder: The project's.
        environment: Its name.
        run_id: The run that takes it, for others to see.
        wait: Wait until it is free; Ctrl-C ends the waiting.
        on_wait: Called once with its holder, before the waiting begins.
        hint: That of the error where another run holds it.

    Raises:
        RunLockedError: Another run holds it, and `wait` is false.
        LakehouseError: The lock's file cannot be made, because something is in its way for instance.
    """
    file, descriptor, trouble, owner = lock_file(folder, environment), None, None, os.getpid()
    try:
        make_state_folder(folder, LOCKS)
        descriptor = _acquire(_open(file), environment, on_wait, wait, hint)
    except OSError as error:
        trouble = _without_lock(error, file, folder)
    if descriptor is not None:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        _write(descriptor, json.dumps(asdict(Holder(owner, os.uname().nodename, since, run_id))))
    try:
        yield trouble
    finally:
        # A process forked from this one has no part in the lock, and its descriptors may be other files by now.
        if descriptor is not None and os.getpid() == owner:
            # The file stays: were it removed, two processes could each hold one of the same name.
            _write(descriptor, "")
            let_go(descriptor)


def _acquire(
    descriptor: int, environment: str, on_wait: Callable[[Holder | None], None] | None, wait: bool, hint: str
) -> int:
    try:
        if not hold(descriptor, wait=False):
            holder = _read(descriptor)
            if not wait:
                raise RunLockedError(environment, holder, hint)
            if on_wait is not None:
                on_wait(holder)
            hold(descriptor, wait=True)
    except BaseException:
        let_go(descriptor)
        raise
    return descriptor


def _open(file: Path) -> int:
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT | flags, 0o666)
    except PermissionError:
        # Another user's; it can be locked all the same.
        return os.open(file, os.O_RDONLY | flags)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(error.errno, "it is a symbolic link, and none is followed here") from error
        raise


def _without_lock(error: OSError, file: Path, folder: Path) -> str:
    reason = system_reason(error)
    if error.errno not in _WITHOUT_LOCKS:
        raise LakehouseError(
            f"{file.relative_to(folder)} cannot be locked: {reason}",
            hint=f"look what it is; in `{STATE}` lakehouse keeps locks, the history of runs and a cache",
        ) from error
    return f"locks do not work in {file.parent.relative_to(folder)} ({reason})"


def _write(descriptor: int, text: str) -> None:
    # Only for people: a lock whose holder cannot be written (a full disk, another user's file) is a lock as well.
    try:
        if os.fstat(descriptor).st_nlink > 1:
            return  # under another name it may be somebody's file: empty ones are all alike
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
    except OSError:
        return


def _read(descriptor: int) -> Holder | None:
    """Read the holder; None for what cannot be read, or names a process of this host that is gone."""
    try:
        holder = convert(json.loads(os.pread(descriptor, _LARGEST, 0)), Holder)
        _clock(holder.since)
    except (OSError, ValueError, OverflowError, RecursionError):
        return None
    return holder if holder.host != os.uname().nodename or _lives(holder.pid) else None


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _clock(moment: str) -> str:
    """Format a moment as local time, with its date unless that is today."""
    local = datetime.fromisoformat(moment).astimezone()
    same_day = local.date() == datetime.now().astimezone().date()
    return f"{local:%H:%M}" if same_day else f"{local:%Y-%m-%d %H:%M}"
