"""Keys and values of a project file as keywords of Python, for messages on what is declared there."""

from __future__ import annotations

import keyword
import re

# A key with a plain value, or one whose value is left open.
_SETTING = r"`([a-z_]+):(?: ([\w.…-]+|\[\]))?`"
_NUMBER = r"-?\d+(?:\.\d+)?"
_CONSTANTS = {"true": "True", "false": "False", "null": "None", "[]": "[]", "…": "…"}


def in_python(text: str) -> str:
    """Write the settings that a message names as keywords.

    >>> in_python("set `extra_columns: drop`, `nullable: false` or `inputs:`")
    "set `extra_columns='drop'`, `nullable=False` or `inputs=…`"
    """
    return re.sub(_SETTING, _keyword, text.replace("declare it under `tables:`", "declare it, and list it in `assets`"))


def _keyword(found: re.Match[str]) -> str:
    key, value = found[1], found[2] or "…"
    key += "_" * keyword.iskeyword(key)
    plain = value in _CONSTANTS or re.fullmatch(_NUMBER, value) is not None
    return f"`{key}={_CONSTANTS.get(value, value) if plain else repr(value)}`"


def in_words_of(file: str | None, text: str) -> str:
    """A message on what a file declares, in the words of that file."""
    return in_python(text) if file is not None and file.endswith(".py") else text
