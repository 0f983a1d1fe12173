"""Keys and values of a project file as keywords of Python, for messages on what is declared there."""

from __future__ import annotations

import keyword
import re
from typing import Any

# A key with a plain value, with one in brackets, or one whose value is left open; and what is in brackets alone.
_SETTING = r"""`([a-z_]+):(?: ([\w.…/*-]+|"[^"`]*"|[\[{][^`]*[\]}]))?`|`([\[{][^`]*[:,] [^`]*[\]}])`"""
_NUMBER = r"-?\d+(?:\.\d+)?"
_CONSTANTS = {"true": "True", "false": "False", "null": "None", "…": "…"}
# Keys of maps, which stay those of a dict.
_OF_DICTS = frozenset(("at", "around", "column", "end", "every", "missing", "open", "region", "start", "timezone"))
_OF_DICTS |= {"within"}


def in_python(text: str) -> str:
    """Write the settings that a message names as keywords, and those in maps as items of a dict.

    >>> in_python("set `extra_columns: drop`, `nullable: false` or `inputs:`")
    "set `extra_columns='drop'`, `nullable=False` or `inputs=…`"
    >>> in_python("write `partitions: [day]`, with `day: {every: day}` under `dimensions:`, or `[-6, 0]`")
    "write `partitions=['day']`, with `'day': {'every': 'day'}` under `dimensions=…`, or `[-6, 0]`"
    """
    return re.sub(_SETTING, _written, text.replace("declare it under `tables:`", "declare it, and list it in `assets`"))


def _written(found: re.Match[str]) -> str:
    key, text = found[1], found[2] or found[3] or "…"
    value = _parsed(text) if text[0] in '[{"' else text
    if value is None:
        return found[0]
    if key is None:
        return f"`{_code(value)}`"
    if key in _OF_DICTS or (isinstance(value, dict) and "every" in value):
        return f"`{key!r}: {_code(value)}`"
    return f"`{key}{'_' * keyword.iskeyword(key)}={_code(value)}`"


def _parsed(text: str) -> Any:
    """What a text of YAML is, of plain texts alone; None where it is something else, such as `{month:%Y-%m}`."""
    import yaml  # few messages have any

    try:
        value = yaml.load(text, yaml.BaseLoader)  # noqa: S506  # which makes nothing but texts
    except yaml.YAMLError:
        return None
    return None if isinstance(value, dict) and "" in value.values() else value


def _code(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {_code(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_code, value))}]"
    plain = value in _CONSTANTS or re.fullmatch(_NUMBER, value) is not None
    return _CONSTANTS.get(value, value) if plain else repr(value)


def in_words_of(file: str | None, text: str) -> str:
    """A message on what a file declares, in the words of that file."""
    return in_python(text) if file is not None and file.endswith(".py") else text
