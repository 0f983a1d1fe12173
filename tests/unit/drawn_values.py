"""Columns of values that Hypothesis draws at once: a draw for each would take longer than what is tested."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st


def choices(values: Sequence[Any], count: int) -> st.SearchStrategy[list[Any]]:
    """So many values, or nulls; no more than 255 to choose from."""
    each = (None, *values)
    return st.binary(min_size=count, max_size=count).map(lambda drawn: [each[byte % len(each)] for byte in drawn])
