"""Hashes of options: of their values, which may come from the environment, manifests keep nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import xxhash


def option_hash(value: Any) -> str:
    """Hash the value of an option, as it stands in what a table is `stored_as`; the order of a map does not count."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=plain_option)
    return xxhash.xxh3_64_hexdigest(text.encode())


def plain_option(value: Any) -> Any:
    """A value as JSON takes it."""
    return dict(value) if isinstance(value, Mapping) else str(value)


def hash_of_option(stored_as: str, name: str) -> str | None:
    """The hash of an option in what a table is `stored_as`; None where it is not set."""
    options = (part.partition("=") for part in stored_as.split(",")[1:])
    return next((value for option, _, value in options if option == name), None)
