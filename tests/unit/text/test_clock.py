"""Moments as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from lakehouse_cli.text.clock import now_text


def test_now_is_iso_8601_in_utc_with_milliseconds() -> None:
    before = datetime.now(UTC)
    text = now_text()
    after = datetime.now(UTC)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", text)
    assert before - timedelta(milliseconds=1) <= datetime.fromisoformat(text) <= after
