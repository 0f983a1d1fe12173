"""Timestamps as text."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache


def now_text() -> str:
    """The present moment in UTC, ISO 8601 with milliseconds: ``2026-11-30T10:42:07.123+00:00``."""
    return time_text(time.time_ns())


def time_text(ns: int) -> str:
    """Nanoseconds since 1970 likewise."""
    seconds, nanoseconds = divmod(ns, 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1_000_000:03}+00:00"


# Several are written for each table, and many tables may be computed within a second.
@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
