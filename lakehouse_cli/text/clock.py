"""The clock by which moments are recorded, and timestamps as text."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache

_ahead_ns = 0


def set_ahead(seconds: float) -> None:
    """Say by how much this machine's clock is ahead of the one by which moments are recorded."""
    global _ahead_ns
    _ahead_ns = round(seconds * 1e9)


def now_ns() -> int:
    """The present moment by that, nanoseconds since 1970."""
    return time.time_ns() - _ahead_ns


def now_text() -> str:
    """The present moment in UTC, ISO 8601 with milliseconds: ``2026-11-30T10:42:07.123+00:00``."""
    return time_text(now_ns())


def time_text(ns: int) -> str:
    """Nanoseconds since 1970 likewise."""
    seconds, nanoseconds = divmod(ns, 1_000_000_000)
    return f"{_second(seconds)}.{nanoseconds // 1_000_000:03}+00:00"


# Several are written for each table, and many tables may be computed within a second.
@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat()
