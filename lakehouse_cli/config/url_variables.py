"""Percent-encode what variables bring into a part of a URL, as in ``postgresql://${USER}:${PASSWORD}@host/db``.

What they bring is a value there, whatever characters it has, and no syntax. Host and port, parameters with their names,
and a URL that begins with a variable, are syntax and taken as they are; so is what is percent-encoded already.
"""

from __future__ import annotations

import re

from lakehouse_cli.config.variables import REFERENCE, Encoding, as_it_is
from lakehouse_cli.config.yaml_tree import Mapping, Scalar
from lakehouse_cli.storage_types import SCHEMES, STORAGE_TYPES

# What every client takes for itself between `:` and `@`, and something percent-encoded among it.
_ENCODED = re.compile(r"(?=.*%)(?:[^%/?#@\[\]\s]|%[0-9A-Fa-f]{2})*", re.DOTALL)
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_PARTS = re.compile(
    r"(?P<scheme>[^:/?]*)://(?P<user>[^?]*@)?(?P<host>[^/?]*)(?P<path>/[^?]*)?(?P<query>\?.*)?", re.DOTALL
)


def url_encoding(storage: Mapping, base: Mapping | None = None) -> Encoding:
    """How to encode what variables bring into the root of a storage.

    Args:
        storage: As it is written.
        base: What it overrides; names its type where it does not itself.
    """
    root, named = storage.get("root"), storage.get("type") or (base and base.get("type"))
    # So that what stands for a variable is taken for no part of the syntax.
    text = re.sub(REFERENCE, lambda match: "_" * len(match[0]), root.text) if isinstance(root, Scalar) else ""
    parts = _PARTS.fullmatch(text)
    type_name = SCHEMES.get(parts["scheme"]) if parts is not None else None
    if parts is None or type_name is None or not STORAGE_TYPES[type_name].url_encoded:
        return as_it_is
    if isinstance(named, Scalar) and named.text != type_name:
        return as_it_is
    return lambda match, value: _encoded(parts, match.start(), value)


def _encoded(parts: re.Match[str], place: int, value: str) -> str:
    """A value for a place in a URL in which references are blanked out."""
    from urllib.parse import quote

    part = next(name for name in parts.groupdict() if parts.start(name) <= place < parts.end(name))
    is_syntax = (
        part in ("scheme", "host")
        or (part == "path" and re.search(r"\?\w+=", value) is not None)
        or (part == "query" and "=" not in re.split("[?&]", parts.string[:place])[-1])
    )
    if is_syntax or _ENCODED.fullmatch(value) or _CONTROL.search(value):
        return value
    safe = "/" if part == "path" else ""
    # A variable alone may bring both user and password.
    both = part == "user" and ":" not in parts["user"] and ":" in value
    pieces = value.split(":", 1) if both else [value]
    return ":".join(quote(piece, safe, errors="surrogateescape") for piece in pieces)
