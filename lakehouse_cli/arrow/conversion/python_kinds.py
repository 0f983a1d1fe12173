"""Kinds of Python objects: what a value is, as far as column types go."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

NULL = "null"
"""The kind of None, and of what pandas and numpy have for it."""

NAMES = {
    "bool": "true and false",
    "integer": "integers",
    "float": "floats",
    "decimal": "Decimal objects",
    "text": "text",
    "bytes": "bytes",
    "timestamp": "timestamps",
    "instant": "timestamps with a zone",
    "date": "dates",
    "time": "times of day",
    "duration": "durations",
    "list": "lists",
    "struct": "dicts",
}
"""What values of a kind are called in messages."""


def kinds_of(values: Sequence[Any], nan_is_null: bool) -> dict[str, Sequence[int]]:
    """Map each kind to its 0-based rows, in order of first appearance."""
    types = set(map(type, values))
    of_type = {type_: kind_of_type(type_) for type_ in types}
    by_value = {"float", "timestamp", "numpy_time", "numpy_duration", "decimal", "time"}
    if len(set(of_type.values())) == 1 and not by_value & set(of_type.values()):
        return {next(iter(of_type.values())): range(len(values))} if values else {}
    rows: dict[str, list[int]] = {}
    for row, value in enumerate(values):
        kind = of_type[type(value)]
        if kind in by_value:
            kind = _kind_of_value(kind, value, nan_is_null)
        rows.setdefault(kind, []).append(row)
    return dict(rows)


def kind_of_type(type_: type) -> str:
    """Find the kind of a Python class; its name, for one that no column type holds."""
    if type_ is type(None) or (type_.__name__ in ("NAType", "NaTType") and type_.__module__.startswith("pandas.")):
        return NULL
    found = next((kind for base, kind in _python_kinds() if issubclass(type_, base)), None)
    return found or f"objects of type `{type_.__name__}`"


def _python_kinds() -> list[tuple[type, str]]:
    kinds: list[tuple[type, str]] = [
        (bool, "bool"),
        (int, "integer"),
        (float, "float"),
        (Decimal, "decimal"),
        (str, "text"),
        (bytes, "bytes"),
        (bytearray, "bytes"),
        (dt.datetime, "timestamp"),
        (dt.date, "date"),
        (dt.time, "time"),
        (dt.timedelta, "duration"),
        (list, "list"),
        (tuple, "list"),
        (dict, "struct"),
    ]
    if "numpy" in sys.modules:
        import numpy as np

        kinds += [
            (np.bool_, "bool"),
            (np.timedelta64, "numpy_duration"),  # numpy counts it among its integers
            (np.integer, "integer"),
            (np.longdouble, "long double"),
            (np.floating, "float"),
            (np.datetime64, "numpy_time"),
            (np.ndarray, "list"),
        ]
    return kinds


def _kind_of_value(kind: str, value: Any, nan_is_null: bool) -> str:
    if kind in ("float", "decimal"):
        return NULL if value != value and (nan_is_null or kind == "decimal") else kind
    if kind == "timestamp":
        return "timestamp" if value.tzinfo is None else "instant"
    if kind == "time":
        return "time" if value.tzinfo is None else "times of day with a zone"
    if value != value:  # numpy's NaT
        return NULL
    return "timestamp" if kind == "numpy_time" else "duration"
