"""The process as code of the user's finds it: none that it forks comes back into ours, and it does not end ours."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

#: What ends a process without a word, or makes another program of it.
_REAL: dict[str, Callable[..., NoReturn]] = {"_exit": os._exit, "execv": os.execv, "execve": os.execve}
#: End this process at once, with a code, though it is kept from ending.
end_process = os._exit


class _Kept:
    """Whether this process is kept from ending: by how many scopes, and whether it may be at all."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Let it end, as one that was just forked."""
        self.lock = threading.RLock()
        self.scopes = 0
        self.may_end = False


_kept = _Kept()

#: Modules that may keep threads that Python does not count, and then break down, or wait for ever, in a process that
#: was forked. Those of users' own storages are added, which work in this process too.
UNFORKABLE = {"deltalake", "grpc", "obstore", "polars"}


class forks_end_here:  # noqa: N801  # used as a function is; a class, as it is entered for every call
    """End each process that is forked within and reaches the end of the block, be it by an exception; keep this one.

    It ends with the exit code that a program would have had which did what it did: 0 where it returned, that of its
    `sys.exit`, else 1.
    """

    def __enter__(self) -> None:
        self._process = os.getpid()
        keep_process()

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        if os.getpid() != self._process:
            for stream in (sys.stdout, sys.stderr):
                with suppress(Exception):  # closed, or of the user's
                    stream.flush()
            code = error.code if isinstance(error, SystemExit) else error
            end_process((code if isinstance(code, int) else int(code is not None)) & 0xFF)
        _let_go()


def keep_process() -> None:
    """Let what would end this process raise SystemExit, as `sys.exit` does: a run would end as if all were done.

    That is `os._exit`, whatever thread calls it, and what replaces the program, such as `os.execv`. Forked processes
    end as ever.
    """
    with _kept.lock:
        _kept.scopes += 1
        if not _kept.may_end:
            for name in _REAL:
                setattr(os, name, _RAISING[name])


def is_kept() -> bool:
    """Whether this process is kept from ending; outside of all transforms, whether it is the command's own."""
    return _kept.scopes > 0


def let_process_end() -> None:
    """Let code of the user's end this process as it likes: another one sees to what is left undone."""
    _kept.may_end = True


def _let_go() -> None:
    with _kept.lock:
        _kept.scopes -= 1
        if not _kept.scopes:
            _restore()


def _restore() -> None:
    for name, real in _REAL.items():
        if getattr(os, name) is _RAISING[name]:  # else the user's own
            setattr(os, name, real)


def _raising(name: str) -> Callable[..., NoReturn]:
    def end(*arguments: Any, **keywords: Any) -> NoReturn:
        # It may have been imported by its name, and live longer than the scope.
        if not _kept.scopes or _kept.may_end:
            _REAL[name](*arguments, **keywords)
        if name == "_exit":
            raise SystemExit(*arguments, *keywords.values())
        raise SystemExit(f"os.{name} would replace the process of the run")

    return end


_RAISING = {name: _raising(name) for name in _REAL}


def _free_child() -> None:
    _kept.reset()  # what its parent is in the middle of is not its own
    _restore()


os.register_at_fork(after_in_child=_free_child)
