"""Processes forked by code of the user's: none comes back into ours, which it would go on with a second time."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

#: Modules that may keep threads that Python does not count, and then break down, or wait for ever, in a process that
#: was forked. Those of users' own storages are added, which work in this process too.
UNFORKABLE = {"deltalake", "grpc", "obstore", "polars"}


@contextmanager
def forks_end_here() -> Iterator[None]:
    """End each process that is forked within and reaches the end of the block, be it by an exception.

    It ends with the exit code that a program would have had which did what it did: 0 where it returned, that of its
    `sys.exit`, else 1.
    """
    process = os.getpid()
    code = 1
    try:
        yield
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        raise
    finally:
        if os.getpid() != process:
            for stream in (sys.stdout, sys.stderr):
                with suppress(Exception):  # closed, or of the user's
                    stream.flush()
            os._exit(code & 0xFF)
