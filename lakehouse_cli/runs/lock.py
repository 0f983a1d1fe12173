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
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct, convert
from msgspec.structs import asdict

from lakehouse_cli.errors import LakehouseError, system_reason
from lakehouse_cli.runs.local_state import STATE, hold, let_go, make_state_folder, state_folder
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


class RunLock:
    """The lock of one environment of a project.

    >>> with RunLock(folder, "default") as lock:  # doctest: +SKIP
    ...     lock.acquire(run_id="20260101-120000-abcd", wait=True, on_wait=print)

    Several locks, of one process or of many, keep each other out alike. On network file systems it reaches as far as
    their locks do: other hosts are kept out where the server passes locks on (NFS since Linux 2.6.12 does), and only
    this one otherwise.

    Attributes:
        path: The lock's file.
        trouble: Why this file system gives no lock, None where it does; the run goes on without.
    """

    def __init__(self, folder: Path, environment: str) -> None:
        self.folder = folder
        self.environment = environment
        self.trouble: str | None = None
        self._descriptor: int | None = None
        self._owner = 0

    @property
    def path(self) -> Path:
        """The lock's file; any name of an environment makes one."""
        name = re.sub(r"[^A-Za-z0-9_.-]", lambda match: f"%{ord(match.group()):x}", self.environment)
        return state_folder(self.folder, LOCKS) / f"{name}.lock"

    @property
    def held(self) -> bool:
        """Whether this very object holds it, in the process that took it."""
        # A process forked from that one has no part in the lock, and its descriptors may be other files by now.
        return self._descriptor is not None and self._owner == os.getpid()

    def acquire(
        self,
        *,
        run_id: str | None = None,
        wait: bool = False,
        on_wait: Callable[[Holder | None], None] | None = None,
        hint: str = "`--wait` waits for it",
    ) -> None:
        """Take the lock.

        Args:
            run_id: The run that takes it, for others to see.
            wait: Wait until it is free; Ctrl-C ends the waiting.
            on_wait: Called once with its holder, before the waiting begins.
            hint: That of the error where another run holds it.

        Raises:
            RunLockedError: Another run holds it, and `wait` is false.
            LakehouseError: The lock's file cannot be made, because something is in its way for instance.
        """
        if self.held:
            return
        descriptor: int | None = None
        try:
            descriptor = self._open()
            if not hold(descriptor, wait=False):
                holder = _read(descriptor)
                if not wait:
                    raise RunLockedError(self.environment, holder, hint)
                if on_wait is not None:
                    on_wait(holder)
                hold(descriptor, wait=True)
            self._descriptor, descriptor, self._owner = descriptor, None, os.getpid()
        except OSError as error:
            self._explain(error)
        finally:
            if descriptor is not None:
                let_go(descriptor)
        if self._descriptor is not None:
            since = datetime.now(UTC).isoformat(timespec="seconds")
            _write(self._descriptor, json.dumps(asdict(Holder(os.getpid(), os.uname().nodename, since, run_id))))

    def release(self) -> None:
        """Release the lock, if it is held."""
        held, descriptor, self._descriptor = self.held, self._descriptor, None
        if held and descriptor is not None:
            # The file stays: were it removed, two processes could each hold one of the same name.
            _write(descriptor, "")
            let_go(descriptor)

    def __enter__(self) -> Self:
        """Return the lock itself, not yet taken."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock."""
        self.release()

    def _open(self) -> int:
        make_state_folder(self.folder, LOCKS)
        flags = os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | flags, 0o666)
        except PermissionError:
            # Another user's; it can be locked all the same.
            return os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | flags)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise OSError(error.errno, "it is a symbolic link, and none is followed here") from error
            raise

    def _explain(self, error: OSError) -> None:
        reason = system_reason(error)
        if error.errno not in _WITHOUT_LOCKS:
            raise LakehouseError(
                f"{self.path.relative_to(self.folder)} cannot be locked: {reason}",
                hint=f"look what it is; in `{STATE}` lakehouse keeps locks, the history of runs and a cache",
            ) from error
        self.trouble = f"locks do not work in {self.path.parent.relative_to(self.folder)} ({reason})"


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
