"""The clock of a test, which stands still."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo


def frozen_clock(now: datetime | None) -> AbstractContextManager[Any]:
    """Have the clocks of Python and pandas stand at a moment, and the local time zone be UTC.

    Without a moment they go on. DuckDB's and numpy's clocks are read in C, past all that can be set here: a query is
    given its moment as it is run.
    """
    if now is None:
        return nullcontext()
    import time_machine  # of an extra, and asked for by few tests

    travel: AbstractContextManager[Any] = time_machine.travel(now.astimezone(ZoneInfo("UTC")), tick=False)
    return travel
