"""What does not fit into memory: a temporary folder for each query, and for each table whose keys are compared."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import rmtree

from lakehouse_cli.runs.local_state import hold, let_go

_PREFIX = "lakehouse-spill-"
# Seconds in which a folder that was made is surely locked.
_LOCKED_WITHIN = 60


@contextmanager
def spill_folder() -> Iterator[str]:
    """Make a folder that goes at the end; those that killed processes left go now."""
    _remove_abandoned()
    with tempfile.TemporaryDirectory(prefix=_PREFIX, ignore_cleanup_errors=True) as folder:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            with suppress(OSError):  # without locks, nobody takes it for abandoned
                hold(descriptor, wait=False)
            yield folder
        finally:
            let_go(descriptor)


def _remove_abandoned() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if time.time() - folder.lstat().st_mtime < _LOCKED_WITHIN:
                continue
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if hold(descriptor, wait=False):
                    rmtree(folder, ignore_errors=True)
            finally:
                let_go(descriptor)
